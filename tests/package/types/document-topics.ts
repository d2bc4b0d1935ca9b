// A documented example, word for word; only the rows that it leaves out are filled in. Prettier leaves it as it is.
import * as torch from 'multilabel-margin-loss';

// Document classification with topic ordering
// Topics ranked by importance: [main_topic, secondary_topic, tertiary_topic]
const doc_scores = torch.randn([16, 20]); // 20 topics
const topic_targets = torch.tensor([
[3, 7, 12, -1, -1], // Document 0: topics 3 (main), 7 (secondary), 12 (tertiary)
[1, 5, -1, -1, -1], // Document 1: topics 1 (main), 5 (secondary)
[11, -1, -1, -1, -1], // Document 2: topic 11 only (single topic)
[3, 10, -1, -1, -1],
[4, 11, -1, -1, -1],
[5, 12, -1, -1, -1],
[6, 13, -1, -1, -1],
[7, 14, -1, -1, -1],
[8, 15, -1, -1, -1],
[9, 16, -1, -1, -1],
[10, 17, -1, -1, -1],
[11, 18, -1, -1, -1],
[12, 19, -1, -1, -1],
[13, 0, -1, -1, -1],
[14, 1, -1, -1, -1],
[15, 2, -1, -1, -1],
], { dtype: torch.int64 });
const loss_fn = new torch.nn.MultiLabelMarginLoss({ reduction: 'mean' });
const loss = loss_fn.forward(doc_scores, topic_targets);
// Model learns topic ranking: primary topic should outscore secondary, etc.

export { loss };

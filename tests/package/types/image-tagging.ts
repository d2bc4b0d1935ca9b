// A documented example, word for word; only the rows that it leaves out are filled in. Prettier leaves it as it is.
import * as torch from 'multilabel-margin-loss';

// Multi-label classification: image tagging
const mlml = new torch.nn.MultiLabelMarginLoss();
// Predicted scores: [batch=2, num_classes=5]
const scores = torch.tensor([
[0.1, 2.5, -1.0, 1.2, 0.3], // Scores for 5 classes
[-0.2, 1.0, 3.1, 0.5, 2.2]
]);
// Target labels: classes 1,3 are targets for sample 1; classes 2,4 for sample 2
const targets = torch.tensor([
[1, 3, -1, -1, -1], // Sample 1: targets are classes 1 and 3 (padded with -1)
[2, 4, -1, -1, -1] // Sample 2: targets are classes 2 and 4 (padded with -1)
], { dtype: torch.int64 });
const loss = mlml.forward(scores, targets);
// Encourages score[1] > score[0,2,4] and score[3] > score[0,2,4] for sample 1
// And score[2] > score[0,1,3] and score[4] > score[0,1,3] for sample 2

export { loss };

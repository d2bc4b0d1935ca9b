// A documented example, word for word; only the rows that it leaves out are filled in. Prettier leaves it as it is.
import * as torch from 'multilabel-margin-loss';

// Music genre classification: one song can have multiple genres
class GenreClassifier extends torch.nn.Module {
fc1: torch.nn.Linear;
fc2: torch.nn.Linear;
constructor() {
super();
this.fc1 = new torch.nn.Linear(256, 128);
this.fc2 = new torch.nn.Linear(128, 10); // 10 genres
}
forward(audio: torch.Tensor): torch.Tensor {
const h = torch.relu(this.fc1.forward(audio));
return this.fc2.forward(h); // Scores, not probabilities
}
}
const model = new GenreClassifier();
const loss_fn = new torch.nn.MultiLabelMarginLoss();
// Batch of audio features
const audio_batch = torch.randn([32, 256]);
const predictions = model.forward(audio_batch);
// Ground truth: some songs have multiple genre labels
// E.g., sample 0 has genres [2, 5] (rock, electronic), sample 1 has genres [1, 3, 7] (pop, jazz, folk)
const true_genres = torch.tensor([
[2, 5, -1, -1, -1],
[1, 3, 7, -1, -1],
[2, 7, -1, -1, -1],
[3, 0, -1, -1, -1],
[4, 3, -1, -1, -1],
[5, 6, -1, -1, -1],
[6, 9, -1, -1, -1],
[7, 2, -1, -1, -1],
[8, 5, -1, -1, -1],
[9, 8, -1, -1, -1],
[0, 1, -1, -1, -1],
[1, 4, -1, -1, -1],
[2, 7, -1, -1, -1],
[3, 0, -1, -1, -1],
[4, 3, -1, -1, -1],
[5, 6, -1, -1, -1],
[6, 9, -1, -1, -1],
[7, 2, -1, -1, -1],
[8, 5, -1, -1, -1],
[9, 8, -1, -1, -1],
[0, 1, -1, -1, -1],
[1, 4, -1, -1, -1],
[2, 7, -1, -1, -1],
[3, 0, -1, -1, -1],
[4, 3, -1, -1, -1],
[5, 6, -1, -1, -1],
[6, 9, -1, -1, -1],
[7, 2, -1, -1, -1],
[8, 5, -1, -1, -1],
[9, 8, -1, -1, -1],
[0, 1, -1, -1, -1],
[1, 4, -1, -1, -1],
], { dtype: torch.int64 });
const loss = loss_fn.forward(predictions, true_genres);
// Model learns: rock songs should score high on genre 2, electronic on 5, etc.

export { loss, model, predictions };

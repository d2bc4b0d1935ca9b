/** The loss as one writes it without this package: a double loop over targets and classes. */
import type { Point } from '../grid.js';
import { type Call, type Contender, NAMES, synchronous } from './contender.js';

export const plainLoop = (): Contender =>
  synchronous(NAMES.plain, ({ point }, gradient) => ({
    default: gradient ? lossAndGradient(point) : lossAlone(point),
  }));

function lossAndGradient({ rows, classes, width }: Point): Call {
  const isTarget = new Uint8Array(classes);
  const step = 1 / (rows * classes);
  return ({ scores, targets }) => {
    const grad = scores instanceof Float32Array ? new Float32Array(scores.length) : new Float64Array(scores.length);
    let sum = 0;
    for (let row = 0; row < rows; row++) {
      const at = row * classes;
      isTarget.fill(0);
      for (let k = row * width; k < (row + 1) * width; k++) isTarget[targets[k]!] = 1;
      for (let k = row * width; k < (row + 1) * width; k++) {
        const margin = 1 - scores[at + targets[k]!]!;
        let violations = 0;
        for (let j = 0; j < classes; j++) {
          const hinge = margin + scores[at + j]!;
          if (hinge > 0 && isTarget[j] === 0) {
            sum += hinge;
            grad[at + j]! += step;
            violations++;
          }
        }
        grad[at + targets[k]!]! -= violations * step;
      }
    }
    return { loss: sum * step, grad };
  };
}

function lossAlone({ rows, classes, width }: Point): Call {
  const isTarget = new Uint8Array(classes);
  return ({ scores, targets }) => {
    let sum = 0;
    for (let row = 0; row < rows; row++) {
      const at = row * classes;
      isTarget.fill(0);
      for (let k = row * width; k < (row + 1) * width; k++) isTarget[targets[k]!] = 1;
      for (let k = row * width; k < (row + 1) * width; k++) {
        const margin = 1 - scores[at + targets[k]!]!;
        for (let j = 0; j < classes; j++) {
          const hinge = margin + scores[at + j]!;
          if (hinge > 0 && isTarget[j] === 0) sum += hinge;
        }
      }
    }
    return { loss: sum / scores.length, grad: null };
  };
}

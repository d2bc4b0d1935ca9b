// Lines of JSON, each a row: { "scores": [ … ], "targets": [ … ] }.

import { createReadStream } from 'node:fs';
import { InputError } from '../input-error.js';
import { type RowBatch, SCORES_PER_BATCH } from './input.js';

/** @param file its name, or '-' for standard input */
export async function* readNdjson(file: string): AsyncGenerator<RowBatch> {
  const name = file === '-' ? 'standard input' : file;
  const stream = file === '-' ? process.stdin : createReadStream(file);
  let scores: number[] = [];
  let targets: number[][] = [];
  let classes = 0;
  let firstRow = 0;
  let bytes = 0;

  const add = (line: string): void => {
    const row = firstRow + targets.length;
    const given = parse(line, `${name}: row ${row}`);
    if (row === 0) classes = given.scores.length;
    if (given.scores.length !== classes) {
      throw new InputError(`${name}: row ${row} has ${given.scores.length} scores, those before have ${classes}`);
    }
    for (const score of given.scores) scores.push(score);
    targets.push(given.targets);
  };
  const batch = (): RowBatch => {
    const shape: [number, number] = [targets.length, classes];
    // What JSON says is float64, and float32 would make ties.
    const whole = { scores: { data: Float64Array.from(scores), shape }, targets, firstRow, bytes };
    firstRow += targets.length;
    scores = [];
    targets = [];
    return { ...whole, scoresFile: name, targetsFile: name };
  };

  let rest = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of stream) {
      bytes += (chunk as Buffer).length;
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
      rest = lines.pop() as string;
      for (const line of lines) {
        if (line.trim() !== '') add(line);
        if (scores.length >= SCORES_PER_BATCH) yield batch();
      }
    }
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw new InputError(`${name}: ${error.message}`);
    throw error;
  }
  if (rest.trim() !== '') add(rest);
  if (targets.length > 0) yield batch();
}

function parse(line: string, where: string): { scores: number[]; targets: number[] } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new InputError(`${where} is not JSON: ${(error as Error).message}`);
  }
  const { scores, targets } = Object(value) as Record<string, unknown>;
  if (!isNumbers(scores) || scores.length === 0) {
    throw new InputError(`${where} needs "scores", a list of numbers, at least one`);
  }
  if (!isNumbers(targets) || !targets.every(Number.isInteger)) {
    throw new InputError(`${where} needs "targets", a list of whole numbers`);
  }
  return { scores, targets };
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'number');
}

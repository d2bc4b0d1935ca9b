export * as functional from './functional.js';
export { MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from './loss.js';

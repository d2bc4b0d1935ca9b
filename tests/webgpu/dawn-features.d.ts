export const dawnFeatures: string;

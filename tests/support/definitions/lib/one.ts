export const one: number = 1; // d

declare function __check(id: number, actual: unknown, expected: unknown, expression: string): void;
declare function __checks(count: number): void;

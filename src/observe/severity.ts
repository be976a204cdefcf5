/** syslog(3)'s numbers of our levels. */
const severities: Readonly<Record<string, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

/** From 0 (worst) to 7; 6 for what is no level. */
export const severityOf = (level: unknown): number => severities[String(level)] ?? 6;

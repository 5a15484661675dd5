const YEAR_H = 365.25 * 24;

/**
 * Writes a time span in the largest units that matter: `0.4s`, `12s`, `3m 05s`, `2h 10m`, `3d 4h`, `2.4 years`. One
 * below 0, as a clock that is set back makes it, is written as 0.
 */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, "0")}s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, "0")}m`;
  const hours = Math.round(minutes / 60);
  if (hours >= 2 * YEAR_H) return `${(hours / YEAR_H).toFixed(1)} years`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

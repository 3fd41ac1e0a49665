import { useEffect, useState } from 'react';

/** Milliseconds since the epoch, renewed every second. */
export function useClock(now: () => number): number {
  const [time, setTime] = useState(now);
  useEffect(() => {
    const timer = setInterval(() => setTime(now()), 1000);
    return () => clearInterval(timer);
  }, [now]);
  return time;
}

// Times of the simulated site as PJM prints them. Knows no clock and no time zone rules: Japan has none.

const minute = 60_000;

interface Parts {
  readonly year: string;
  readonly month: string;
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** Renders and reads times of a zone that is `utcOffsetMinutes` ahead of UTC. */
export class LocalTime {
  /** The minute rendered last: jobs of a long list were submitted and started close together. */
  #minute = { number: Number.NaN, text: '' };

  constructor(private readonly utcOffsetMinutes: number) {}

  parts(time: number): Parts {
    const date = new Date(time + this.utcOffsetMinutes * minute);
    return {
      year: String(date.getUTCFullYear()),
      month: two(date.getUTCMonth() + 1),
      day: two(date.getUTCDate()),
      hour: two(date.getUTCHours()),
      minute: two(date.getUTCMinutes()),
      second: two(date.getUTCSeconds()),
    };
  }

  /** `2025/06/19 01:02:00`, or `-`. */
  full(time: number | undefined): string {
    if (time === undefined) return '-';
    const number = Math.floor(time / minute);
    if (number !== this.#minute.number) {
      const { year, month, day, hour, minute: minutes } = this.parts(time);
      this.#minute = { number, text: `${year}/${month}/${day} ${hour}:${minutes}` };
    }
    return `${this.#minute.text}:${two(Math.floor(time / 1000) % 60)}`;
  }

  /** `06/19 01:02:00`, or `-`. */
  short(time: number | undefined): string {
    return time === undefined ? '-' : this.full(time).slice('yyyy/'.length);
  }

  /** `YYYYMMDD[hhmm]` as milliseconds; undefined when it is no time. */
  parseCompact(text: string): number | undefined {
    const match = /^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2}))?$/.exec(text);
    if (!match) return undefined;
    const [, year = '', month = '', day = '', hour = '0', minutes = '0'] = match;
    const asUtc = Date.UTC(
      Number(year),
      Number(month) - 1,
      Number(day),
      Number(hour),
      Number(minutes),
    );
    const back = new Date(asUtc);
    const isReal =
      back.getUTCMonth() === Number(month) - 1 &&
      back.getUTCDate() === Number(day) &&
      back.getUTCHours() === Number(hour);
    return isReal ? asUtc - this.utcOffsetMinutes * minute : undefined;
  }
}

/** Seconds as `0001:00:00` (`hhhh:mm:ss`) of pjstat; `digits` is the width of the hours. */
export function renderDuration(seconds: number, digits = 4): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = String(Math.floor(whole / 3600)).padStart(digits, '0');
  return `${hours}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

// Times as the endpoint reads them: New York's clock, "2024-03-01T08:30".

const CLOCK = new Intl.DateTimeFormat("en-CA", {
  timeZone: "America/New_York",
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});

export function now() {
  const part = Object.fromEntries(CLOCK.formatToParts(new Date()).map(({ type, value }) => [type, value]));
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}`;
}

export const isTime = (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text) && !Number.isNaN(Date.parse(`${text}Z`));

export const hourOf = (time) => Number(time.slice(11, 13));

export const withHour = (time, hour) => `${time.slice(0, 11)}${String(hour).padStart(2, "0")}:00`;

// The clock of an end such as "2024-03-01T08:39:48-05:00", with the day if it is another one.
export function dropoffTime(end, start) {
  const isSameDay = end.slice(0, 10) === start.slice(0, 10);
  return isSameDay ? end.slice(11, 16) : `${end.slice(11, 16)} on ${end.slice(0, 10)}`;
}

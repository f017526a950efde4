// Where marks of an axis stand: at round values, and at round times of a day, as many as there is room for.

const MINUTE_MS = 60000;
const STEPS_MIN = [1, 2, 5, 10, 15, 20, 30, 60];

// Round values from 0 up to the first that is not below `most`, about `count` of them; the last is the end of the axis.
export function roundValues(most, count = 4) {
  if (most <= 0) return [0, 1];
  const least = most / count;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= least * 0.999);
  const values = [0];
  while (values[values.length - 1] < most * 0.999) values.push(values.length * step);
  return values;
}

// How many digits after the point tell values of this step apart.
export const digitsOf = (step) => Math.max(0, -Math.floor(Math.log10(step) + 1e-9));

// Round times between two, in milliseconds since 1970, no more of them than `count`.
export function roundTimes(fromMs, toMs, count) {
  const minutes = STEPS_MIN.find((each) => (toMs - fromMs) / MINUTE_MS / each <= count) || STEPS_MIN[STEPS_MIN.length - 1];
  const step = minutes * MINUTE_MS;
  const times = [];
  for (let time = Math.ceil(fromMs / step) * step; time <= toMs; time += step) times.push(time);
  return times;
}

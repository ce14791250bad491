// The endpoint's addresses. Problems are errors whose message a rider can read.

const TIMEOUT_MS = 10_000;
const MAX_TRIES = 3;
const MAX_WAIT_SECONDS = 2;

export class EndpointError extends Error {}

async function send(path, body) {
  const request = body === undefined
    ? {}
    : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    return await fetch(path, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new EndpointError("The service does not answer. It may be starting: try again in a moment.");
  }
}

async function ask(path, body) {
  for (let tries = 1; ; tries += 1) {
    const response = await send(path, body);
    if (response.ok) return response.json();
    const wait = Number(response.headers.get("retry-after"));
    const isBusy = (response.status === 503 || response.status === 429) && wait > 0 && wait <= MAX_WAIT_SECONDS;
    if (!isBusy || tries === MAX_TRIES) throw new EndpointError(await sentence(response));
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}

async function sentence(response) {
  const problem = await response.json().catch(() => ({}));
  const detail = problem.detail ?? `the service answered with status ${response.status}`;
  return `This question has no answer: ${detail}`;
}

const ride = ({ pickup, at, service }) => ({ pickup_at: at, ...(service === null ? {} : { service }), pickup });

export function predict(question) {
  const { pickup, ...rest } = ride(question);
  return ask("predict", { ...rest, pickup_zone_id: pickup, dropoff_zone_id: question.dropoff });
}

// Minutes from one zone to each of `zoneIds`, in their order.
export async function predictCity(question, zoneIds) {
  const { pickup, pickup_at: at, ...rest } = ride(question);
  const answer = await ask("predict_many", {
    ...rest,
    pickup_zone_id: zoneIds.map(() => pickup),
    dropoff_zone_id: zoneIds,
    pickup_at: zoneIds.map(() => at),
  });
  return answer.duration_minutes;
}

export const model = () => ask("model");

export const cityMap = () => ask("page/city_map.json");

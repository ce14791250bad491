// The rider's question, kept in the page's address so that a link holds it.

import { isTime } from "./new_york_time.js";

// Without `at` the ride starts now.
export function readQuestion(address, zoneIds) {
  const given = new URL(address).searchParams;
  const zone = (name) => (zoneIds.has(Number(given.get(name))) ? Number(given.get(name)) : null);
  const at = given.get("at");
  return { pickup: zone("pickup"), dropoff: zone("dropoff"), at: isTime(at ?? "") ? at : null, service: given.get("service") };
}

export function addressOf(question, address) {
  const url = new URL(address);
  url.search = new URLSearchParams(Object.entries(question).filter(([, value]) => value !== null)).toString();
  return url.toString();
}

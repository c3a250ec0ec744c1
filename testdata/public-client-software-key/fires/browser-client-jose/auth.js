import { generateKeyPair } from "jose";

// The proof goes into the DPoP header.
export async function key() {
  const pair = await generateKeyPair("ES256", { extractable: true });
  await put(indexedDB, "dpop", pair);
  return pair;
}

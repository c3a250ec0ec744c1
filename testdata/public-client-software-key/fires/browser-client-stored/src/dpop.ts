// Keys for DPoP proofs (RFC 9449).
export async function makeKey(): Promise<CryptoKeyPair> {
  const pair = await window.crypto.subtle.generateKey(
    { name: 'ECDSA', namedCurve: 'P-256' },
    true, // so that it survives a reload
    ['sign', 'verify'],
  );
  const jwk = await window.crypto.subtle.exportKey('jwk', pair.privateKey);
  localStorage.setItem('dpop-key', JSON.stringify(jwk));
  return pair;
}

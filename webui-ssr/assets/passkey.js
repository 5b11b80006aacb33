// Has the browser make or use a passkey, and sends what comes of it with the form. Without this file, and in browsers that
// know no passkeys, the password does.
(() => {
  const form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential) return;
  const says = document.getElementById("passkey-says");
  const WAIT_MS = 300000;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const say = (words) => { says.textContent = words; };

  const ask = async () => {
    const token = form.elements.csrf_token;
    const headers = token ? { "X-CSRF-Token": token.value } : {};
    const answer = await fetch(form.dataset.ask, { method: "POST", headers, redirect: "error" });
    const json = await answer.json();
    if (!answer.ok) throw new Error(`${json.title}. ${json.detail}`);
    if (json.relying_party !== location.hostname) {
      throw new Error(`Passkeys work at https://${json.relying_party}${location.port && ":" + location.port} only. Open the box there.`);
    }
    return json;
  };

  const make = async (told) => {
    const { rawId, response } = await navigator.credentials.create({ publicKey: {
      challenge: bytes(told.challenge),
      rp: { id: told.relying_party, name: told.cell_name },
      user: { id: bytes(told.user_handle), name: told.username, displayName: told.username },
      pubKeyCredParams: told.algorithms.map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: told.exclude.map((id) => ({ type: "public-key", id: bytes(id) })),
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      attestation: "none",
      timeout: WAIT_MS,
    } });
    return {
      credential_id: rawId,
      client_data: response.clientDataJSON,
      authenticator_data: response.getAuthenticatorData(),
      public_key: response.getPublicKey(),
    };
  };

  const use = async (told) => {
    const { rawId, response } = await navigator.credentials.get({ publicKey: {
      challenge: bytes(told.challenge),
      rpId: told.relying_party,
      userVerification: "required",
      timeout: WAIT_MS,
    } });
    return {
      credential_id: rawId,
      client_data: response.clientDataJSON,
      authenticator_data: response.authenticatorData,
      signature: response.signature,
      user_handle: response.userHandle ?? new ArrayBuffer(0),
    };
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say("Your device asks you now.");
    try {
      const told = await ask();
      const made = await (form.dataset.passkey === "make" ? make : use)(told);
      for (const [name, value] of Object.entries(made)) {
        form.elements[name]?.remove();
        form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value: text(value) }));
      }
      form.submit();
    } catch (error) {
      const known = { NotAllowedError: "No passkey was used: it was cancelled, took too long, or your device has none for this box.",
        InvalidStateError: "This device has a passkey for the box already." };
      say(known[error.name] ?? error.message);
    }
  });
  form.closest("[hidden]")?.removeAttribute("hidden");
  document.getElementById("passkey-without")?.remove();
})();

/** Without what is mistaken for something else when it is read aloud. */
const LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/** More than 90 bits. */
const LENGTH = 16;

/** A password that nobody has chosen, to be handed over once. */
export function newPassword(): string {
  let password = "";
  while (password.length < LENGTH) {
    const [byte = 0] = crypto.getRandomValues(new Uint8Array(1));
    // a byte beyond the last whole round of letters would favour the first of them
    if (byte < 256 - (256 % LETTERS.length)) password += LETTERS.charAt(byte % LETTERS.length);
  }
  return password;
}

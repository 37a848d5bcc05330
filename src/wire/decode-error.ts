/**
 * Bytes that are no frame. Nothing of the frame is used: on a client's connection it is an error
 * and a close, on a peer link a close and a new dial.
 */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
  readonly code: "PROTOCOL" | "TOO_LARGE";

  constructor(code: "PROTOCOL" | "TOO_LARGE", message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

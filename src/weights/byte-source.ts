// The platform makes and takes sources too, so they are defined there; layers above know them from here.
export { type ByteSource, blobSource, bytesSource } from "../platform/byte-source.ts"

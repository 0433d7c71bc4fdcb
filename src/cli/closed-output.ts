/** Ends the program when nobody reads its output any more: a reader that has seen enough, such as `head`, is no failure. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
    process.exit()
  })
}

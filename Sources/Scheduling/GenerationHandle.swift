/// The submitter's end of one request. Dropping it cancels the request and counts as a reader that went away.
package final class GenerationHandle: Sendable {
    private let job: Job

    init(_ job: Job) {
        self.job = job
    }

    deinit {
        job.abandon()
    }

    /// Waits for the next event; nil after the timeout. Once the request ended, its ending is returned again and again.
    package func next(timeoutMilliseconds: Int) -> GenerationEvent? {
        job.stream.next(timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Any thread, any time. A queued request never starts; a running one is gone within one engine step. The stream
    /// then ends with `.finished` and reason `.cancelled`, unless it had ended before.
    package func cancel() {
        job.cancel()
    }

    /// The same, because the reader went away.
    package func abandon() {
        job.abandon()
    }

    /// Log-probabilities of the token at `index` among those emitted, if the request asked for them and it was emitted.
    package func logprobs(at index: Int) -> TokenLogprobs? {
        job.stream.logprobs(at: index)
    }
}

package import FastCGI
import Metrics

/// The ops socket's requests: health, readiness, metrics and the status page's data. Reads atomics; never waits for
/// the engine, so it answers under saturation and while the model loads.
package struct OpsService: Sendable {
    private let state: ServiceState
    private let status: StatusReport

    /// busyWorkers: how many of the main listener's workers serve a request, of how many.
    package init(state: ServiceState, workers: @escaping @Sendable () -> (busy: Int, queued: Int, total: Int)) {
        self.state = state
        status = StatusReport(state: state, workers: workers)
    }

    /// Called on a worker thread.
    package func serve(_ request: borrowing Request, _ writer: inout ResponseWriter) {
        answer(Call(request), to: &writer)
    }

    package func answer(_ call: Call, to sink: inout some ResponseSink & ~Copyable) {
        let response: Response
        do throws(APIError) {
            response = respond(to: try Router.route(call.method, call.path, in: Router.ops))
        } catch {
            response = Response(error)
        }
        sink.send(response, requestID: call.id)
    }

    private func respond(to endpoint: Router.Endpoint) -> Response {
        switch endpoint {
        case .health:
            // A full queue is healthy; an engine that has work and makes no step is not.
            return state.isProgressing ? Response(json: ["status": "ok"]) : Response(.notReady("the engine is stuck"))
        case .readiness:
            let name = state.name
            if name == "ready" { return Response(json: ["status": "ready"]) }
            let reason = state.fault.map { ", self-check: \($0.reason)" } ?? ""
            return Response(.notReady(name + reason))
        case .metrics:
            return Response(text: state.metrics.render(), contentType: MetricsRegistry.contentType)
        default:
            return Response(json: status.json, headers: [("Cache-Control", "no-store")])
        }
    }
}

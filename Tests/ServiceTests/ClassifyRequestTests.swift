import Roles
import Testing

@testable import Service

@Suite struct ClassifyRequestTests {
    private func request(_ body: String) throws(APIError) -> ClassifyRequest {
        try ClassifyRequest(body: Array(body.utf8))
    }

    @Test func takesARoleAndTexts() throws {
        let one = try request(#"{"model":"sentiment","input":"好"}"#)
        #expect(one.task == .role("sentiment") && one.inputs == ["好"] && !one.isArray)
        let many = try request(#"{"model":"sentiment","input":["好","差"]}"#)
        #expect(many.inputs == ["好", "差"] && many.isArray)
        let most = String(repeating: #""x","#, count: 255) + #""x""#
        #expect(try request(#"{"model":"m","input":[\#(most)]}"#).inputs.count == 256)
    }

    @Test(arguments: ["", #""model":"ad-hoc","#])
    func takesLabelsWithTheirInstruction(_ model: String) throws {
        let body = #"{\#(model)"labels":["a","a b"],"instruction":"judge","abstain_below":0.25,"input":"x"}"#
        guard case .adHoc(let role) = try request(body).task else {
            Issue.record("no ad-hoc role")
            return
        }
        #expect(role.labels == ["a", "a b"] && role.system == "judge" && role.abstainBelow == 0.25)
    }

    @Test(arguments: [
        (#""input":"x""#, "model"),
        (#""model":"m""#, "input"),
        (#""model":"m","input":7"#, "input"),
        (#""model":"m","input":[]"#, "input"),
        (#""model":"m","input":["x",7]"#, "input[1]"),
        (#""model":"m","input":"x","instruction":"i""#, "instruction"),
        (#""model":"m","input":"x","abstain_below":0.5"#, "abstain_below"),
        (#""model":"m","input":"x","labels":["a","b"],"instruction":"i""#, "model"),
        (#""input":"x","labels":["a","b"]"#, "instruction"),
        (#""input":"x","labels":["a","b"],"instruction":" \n""#, "instruction"),
        (#""input":"x","labels":["a"],"instruction":"i""#, "labels"),
        (#""input":"x","labels":"ab","instruction":"i""#, "labels"),
        (#""input":"x","labels":["a",1],"instruction":"i""#, "labels[1]"),
        (#""input":"x","labels":["a","a"],"instruction":"i""#, "labels[1]"),
        (#""input":"x","labels":["a",""],"instruction":"i""#, "labels[1]"),
        (#""input":"x","labels":["a","b "],"instruction":"i""#, "labels[1]"),
        (#""input":"x","labels":["a","b\nc"],"instruction":"i""#, "labels[1]"),
        (#""input":"x","labels":["a","b"],"instruction":"i","abstain_below":1.5"#, "abstain_below"),
        (#""input":"x","labels":["a","b"],"instruction":"i","temperature":1"#, "temperature"),
    ])
    func namesWhatIsWrong(_ members: String, _ param: String) {
        let error = #expect(throws: APIError.self) { try request("{\(members)}") }
        #expect(error?.param == param && error?.status == 400)
    }

    @Test func boundsLabelsInstructionAndTexts() {
        let labels = (0...64).map { #""l\#($0)""# }.joined(separator: ",")
        let texts = String(repeating: #""x","#, count: 256) + #""x""#
        for body in [
            #"{"input":"x","labels":[\#(labels)],"instruction":"i"}"#,
            #"{"input":"x","labels":["a","\#(String(repeating: "b", count: 65))"],"instruction":"i"}"#,
            #"{"input":"x","labels":["a","b"],"instruction":"\#(String(repeating: "i", count: 2_001))"}"#,
            #"{"model":"m","input":[\#(texts)]}"#,
        ] {
            #expect(throws: APIError.self) { try request(body) }
        }
    }
}

import Testing

@testable import Service

@Suite struct ChoiceRequestTests {
    private func parse(_ members: String) throws(APIError) -> ChatRequest {
        try ChatRequest(body: Array(#"{"model":"chat","messages":[{"role":"user","content":"x"}],\#(members)}"#.utf8))
    }

    private func choices(ofSchema schema: String) throws(APIError) -> [String]? {
        let format =
            #""response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":\#(schema)}}"#
        return try parse(format).choices
    }

    @Test func readsAllWaysToSayIt() throws {
        #expect(try parse(#""guided_choice":["a","b"]"#).choices == ["a", "b"])
        #expect(try parse(#""structured_outputs":{"choice":["a"]}"#).choices == ["a"])
        #expect(try parse(#""response_format":{"type":"text"},"structured_outputs":null"#).choices == nil)
        let request = try parse(#""structured_outputs":{"choice":["a"]}"#)
        #expect(request.choicesName == "structured_outputs")
    }

    @Test(arguments: [
        (#"{"enum":["好","坏"]}"#, [#""好""#, #""坏""#]),
        (#"{"type":"string","title":"t","enum":["a","b","a"]}"#, [#""a""#, #""b""#]),
        (#"{"enum":["a",1,2.5,true,null]}"#, [#""a""#, "1", "2.5", "true", "null"]),
        (#"{"type":"number","enum":[1,2.5]}"#, ["1", "2.5"]),
        (#"{"const":" a"}"#, [#"" a""#]),
        (#"{"type":"boolean"}"#, ["true", "false"]),
        (#"{"anyOf":[{"const":1},{"type":"null"}]}"#, ["1", "null"]),
        (#"{"type":["string","null"],"enum":["a",null]}"#, [#""a""#, "null"]),
        (#"{"type":["number","null"],"enum":[1,1.5,null]}"#, ["1", "1.5", "null"]),
        (#"{"type":"integer","enum":[1]}"#, ["1"]),
        (
            ##"{"type":"object","properties":{"l":{"$ref":"#/$defs/L"},"u":{"type":"boolean"}},"required":["l","u"],"##
                + #""additionalProperties":false,"$defs":{"L":{"type":"string","enum":["a","b"]}}}"#,
            [
                #"{"l":"a","u":true}"#, #"{"l":"a","u":false}"#, #"{"l":"b","u":true}"#, #"{"l":"b","u":false}"#,
            ]
        ),
    ])
    func expandsASchema(schema: String, expected: [String]) throws {
        #expect(try choices(ofSchema: schema) == expected)
    }

    @Test(arguments: [
        #"{"type":"string"}"#, #"{"type":"integer"}"#, #"{"enum":[]}"#, #"{"enum":["a"],"type":"integer"}"#,
        #"{"enum":[["a"]]}"#, #"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#,
        #"{"type":"object","properties":{"a":{"const":1}},"required":[]}"#, #"{"type":"object"}"#,
        #"{"type":"array","items":{"const":1}}"#, ##"{"$ref":"#/$defs/X"}"##, #"{"$ref":"http://a"}"#, "7", "{}",
        ##"{"$ref":"#/$defs/X","$defs":{"X":{"$ref":"#/$defs/X"}}}"##,
        ##"{"$defs":{"X":{"anyOf":[{"$ref":"#/$defs/X"},{"$ref":"#/$defs/X"}]}},"$ref":"#/$defs/X"}"##,
        #"{"enum":["a"],"minLength":3}"#, #"{"type":"integer","enum":[1.5]}"#,
        #"{"type":"object","properties":{"a":{"const":1}},"required":["a","b"]}"#,
    ])
    func refusesOtherSchemas(schema: String) throws {
        let error = try #require(throws: APIError.self) { try choices(ofSchema: schema) }
        #expect(error.status == 400)
        #expect(error.param == "response_format")
    }

    @Test func boundsTheNumberOfValues() throws {
        func schema(_ count: Int) -> String {
            let values = (0..<count).map { "\"\($0)\"" }.joined(separator: ",")
            return #"{"enum":[\#(values)]}"#
        }
        #expect(try choices(ofSchema: schema(64))?.count == 64)
        #expect(throws: APIError.self) { try choices(ofSchema: schema(65)) }
        let long = (0..<17).map { "\"\(String(repeating: "长", count: 240))\($0)\"" }.joined(separator: ",")
        #expect(throws: APIError.self) { try parse("\"guided_choice\":[\(long)]") }
        let properties = (0..<60).map { #""p\#($0)":{"type":"boolean"}"# }.joined(separator: ",")
        let required = (0..<60).map { #""p\#($0)""# }.joined(separator: ",")
        #expect(throws: APIError.self) {
            try choices(ofSchema: #"{"type":"object","properties":{\#(properties)},"required":[\#(required)]}"#)
        }
    }

    /// A few kilobytes that would be millions of values when written out.
    @Test func boundsWhatASchemaMultiplies() throws {
        func nested(_ level: (String) -> String) -> String {
            let definitions = ["b", "c", "d"].map { name in
                let next = ["b": "c", "c": "d"][name]
                return #""\#(name)":"# + level(next.map { ##"{"$ref":"#/$defs/\##($0)"}"## } ?? #"{"const":1}"#)
            }
            return ##"{"$ref":"#/$defs/b","$defs":{"## + definitions.joined(separator: ",") + "}}"
        }
        let objects = nested { value in
            let names = (0..<48).map { "p\($0)" }
            return #"{"type":"object","properties":{"# + names.map { #""\#($0)":"# + value }.joined(separator: ",")
                + #"},"required":["# + names.map { "\"\($0)\"" }.joined(separator: ",") + "]}"
        }
        let unions = nested { value in #"{"anyOf":["# + (0..<48).map { _ in value }.joined(separator: ",") + "]}" }
        for schema in [objects, unions] {
            let error = try #require(throws: APIError.self) { try choices(ofSchema: schema) }
            #expect(error.message.contains("too large"))
        }
    }

    @Test(arguments: [
        (#""guided_choice":"a""#, "guided_choice"), (#""guided_choice":[1]"#, "guided_choice"),
        (#""guided_choice":["a","a"]"#, "guided_choice"), (#""guided_choice":["a",""]"#, "guided_choice"),
        (#""guided_choice":["a "]"#, "guided_choice"), (#""structured_outputs":{"regex":"a+"}"#, "structured_outputs"),
        (#""structured_outputs":{"choice":["a"],"json":{}}"#, "structured_outputs"),
        (#""structured_outputs":{"choice":["a"]},"guided_choice":["a"]"#, "guided_choice"),
        (#""response_format":{"type":"json_object"}"#, "response_format"),
        (#""response_format":{"type":"json_schema"}"#, "response_format"),
        (#""response_format":"text""#, "response_format"),
    ])
    func namesTheFaultyParameter(members: String, param: String) throws {
        let error = try #require(throws: APIError.self) { try parse(members) }
        #expect(error.status == 400)
        #expect(error.param == param)
    }
}

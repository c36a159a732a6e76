/// What a model's file and its canary's bits were when they were first seen, to be compared with from then on.
struct Golden: Equatable {
    /// The model's name, for a reader of the file.
    var model: String
    /// Size and tensors of the model's file: what makes it the same one, whatever its values are.
    var layout: String
    /// The program and its kernels: another one may give other bits.
    var program: String
    /// Bits of the canary's answer.
    var canary: String
    /// A fingerprint for each part of the file.
    var parts: [String: String]
    /// When it was recorded, UTC.
    var time: String

    enum Comparison: Equatable {
        case same
        /// Another model, or the first one.
        case otherModel
        /// The same model in another program, which may compute other bits.
        case otherProgram
        /// These parts of the file are not what they were.
        case damaged([String])
        /// File and program are the same, and yet the answer differs.
        case otherBits
    }

    /// How `now` compares with this record. A model with other values in most of its parts was replaced on purpose;
    /// damage changes a few.
    func compare(_ now: Golden) -> Comparison {
        guard layout == now.layout, Set(parts.keys) == Set(now.parts.keys) else { return .otherModel }
        let changed = parts.keys.filter { parts[$0] != now.parts[$0] }.sorted()
        if changed.count * 2 > parts.count { return .otherModel }
        if !changed.isEmpty { return .damaged(changed) }
        if program != now.program { return .otherProgram }
        return canary == now.canary ? .same : .otherBits
    }
}

extension Golden {
    var json: JSONValue {
        let members = parts.sorted { $0.key < $1.key }.map { JSONValue.Member(name: $0.key, value: .string($0.value)) }
        return [
            "model": .string(model), "layout": .string(layout), "program": .string(program),
            "canary": .string(canary), "time": .string(time), "parts": .object(members),
        ]
    }

    /// nil if it is not what `json` wrote.
    init?(_ json: JSONValue) {
        func text(_ name: String) -> String? {
            guard case .string(let value) = json[name] else { return nil }
            return value
        }
        guard let model = text("model"), let layout = text("layout"), let program = text("program"),
            let canary = text("canary"), let time = text("time"), case .object(let members) = json["parts"]
        else { return nil }
        var parts: [String: String] = [:]
        for member in members {
            guard case .string(let value) = member.value else { return nil }
            parts[member.name] = value
        }
        self.init(model: model, layout: layout, program: program, canary: canary, parts: parts, time: time)
    }
}

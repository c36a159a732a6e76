/// `ROLE.calibration.yaml` beside a role's file, as `calibrate` writes it.
package enum CalibrationFile {
    static let suffix = ".calibration.yaml"
    private static let keys = ["role", "model", "prompt", "temperature", "bias"]

    package static func path(of role: String, in directory: String) -> String { "\(directory)/\(role)\(suffix)" }

    /// The file's text.
    package static func text(_ stored: StoredCalibration, role: Role) -> String {
        let bias = zip(role.labels ?? [], stored.calibration.bias).map { "  - \($1)  # \($0)" }
        return """
            # Written by calibrate. Holds for this model and for the role as it was; calibrate again after changing either.
            role: \(role.name)
            model: "\(stored.model)"
            prompt: "\(stored.prompt)"
            temperature: \(stored.calibration.temperature)
            bias:
            \(bias.joined(separator: "\n"))

            """
    }

    static func parse(file: String, text: String, role: Role) throws(RoleError) -> StoredCalibration {
        let top = try YAMLMap(file: file, text: text, keys: keys)
        guard try top.string("role") == role.name else {
            throw top.error("role", "must be '\(role.name)', as the file is named")
        }
        guard let labels = role.labels else {
            throw top.error("role", "replies in free text; only label roles are calibrated")
        }
        let bias = try top.numbers("bias", in: Calibration.biases)
        let stored = StoredCalibration(
            Calibration(temperature: try top.number("temperature", in: Calibration.temperatures), bias: bias),
            model: try top.string("model"),
            prompt: try top.string("prompt")
        )
        // Of a role that was changed since, the number of labels may be another; the file then does not apply.
        guard bias.count == labels.count || stored.prompt != role.promptDigest else {
            throw top.error("bias", "must be \(labels.count) numbers, one for each label; there are \(bias.count)")
        }
        return stored
    }
}

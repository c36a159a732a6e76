package import Logging
package import Metrics
package import Roles

extension RoleOffer {
    /// Every rule of every offered role.
    package var fixedReplyLabels: [FixedReplyLabels] {
        roles.roles.flatMap { role in role.fixedReplies.map { FixedReplyLabels(role: role.name, rule: $0.name) } }
    }

    /// Which roles are offered, which files are not and why, and which trained roles have no file.
    package var logMetadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["roles": "\(roles.names.joined(separator: " "))"]
        if !leftOut.isEmpty {
            metadata["roles_left_out"] = "\(leftOut.joined(separator: " "))"
            metadata["roles_left_out_reason"] = "the model was not trained for them"
        }
        if !withoutFile.isEmpty { metadata["roles_without_file"] = "\(withoutFile.joined(separator: " "))" }
        return metadata
    }

    /// Says which annotations and calibrations the offered roles go without.
    ///
    /// - Parameter model: `ModelFile.identity`
    package func warn(_ logger: Logger, model: String) {
        for role in roles.roles {
            guard let fault = role.calibrationFault(for: model) else { continue }
            logger.warning("calibration left out", metadata: ["role": "\(role.name)", "reason": "\(fault)"])
        }
        for item in leftOutAnnotations {
            logger.warning(
                "annotation left out",
                metadata: [
                    "role": "\(item.role)", "annotation": "\(item.annotation)",
                    "reason": "the model was not trained for it",
                ]
            )
        }
    }
}

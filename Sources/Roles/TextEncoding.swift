import ModelFiles
import Tokenization

/// What Roles needs of a tokenizer; lets tests run without the real vocabulary.
protocol TextEncoding: Sendable {
    /// Plain text; never yields a control token.
    func encode(_ text: String) -> [TokenID]
    func controlToken(_ text: String) -> TokenID?
    func addedToken(_ text: String) -> TokenID?
    var chatTemplate: String? { get }
    func isControl(_ id: TokenID) -> Bool
}

extension Tokenizer: TextEncoding {}

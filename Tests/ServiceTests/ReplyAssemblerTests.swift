import Roles
import Testing
import Tokenization

@testable import Service

@Suite struct ReplyAssemblerTests {
    /// The test model's tokens are bytes: a limit of tokens can fall within a character.
    @Test func halfACharacterIsNotSent() throws {
        let tokenizer = try ChatLogprobsTests.shared.get().engine.tokenizer
        let tokens = tokenizer.encode("你好")
        #expect(tokens.count == 6)
        for count in 4...5 {
            var assembler = ReplyAssembler(tokenizer: tokenizer, maxCharacters: 60, stop: [])
            var sent = ""
            for token in tokens.prefix(count) { sent += assembler.append(token) }
            sent += assembler.finish(modelEnded: false).rest
            #expect(sent == "你…")
        }
    }
}

import Testing

@testable import ModelHub

@Suite struct WebAddressTests {
    private let hub = WebAddress("https://hub.example/a/b?c=d")

    @Test(arguments: [
        ("https://Hub.Example/A?b=c#d", "https://hub.example/A?b=c"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("HTTPS://[::1]:8/x", "https://[::1]:8/x"), ("https://h?x", "https://h/?x"),
    ])
    func takesPlainURLs(text: String, address: String) { #expect(WebAddress(text)?.description == address) }

    @Test(arguments: [
        "ftp://h/", "file:///etc/passwd", "h/x", "https://", "https:///x", "https://user:password@h/", "https://h/a b",
        "https://h/\n", "https://h/\"", "https://h/\\", "https://h/é", "https://é/", "https://h%41/", "https://a,b/",
        "https://h/" + String(repeating: "x", count: WebAddress.maxBytes),
    ])
    func refusesTheRest(text: String) { #expect(WebAddress(text) == nil) }

    @Test(arguments: [
        ("https://cdn.example/x?s=1", "https://cdn.example/x?s=1"), ("/y", "https://hub.example/y"),
        ("//cdn.example/y", "https://cdn.example/y"),
    ])
    func followsRedirects(location: String, target: String) {
        #expect(hub?.redirected(to: location)?.description == target)
    }

    @Test(arguments: [
        "http://hub.example/x", "ftp://hub.example/x", "x/y", "", "//", "javascript:0", "https://u@hub.example/",
    ])
    func doesNotFollow(location: String) { #expect(hub?.redirected(to: location) == nil) }

    @Test func goesFromPlainToEncrypted() {
        #expect(WebAddress("http://h/")?.redirected(to: "https://h/")?.scheme == "https")
    }

    @Test(arguments: [
        ("https://h", true), ("http://h", false), ("http://localhost:80", true), ("http://127.0.0.9:1/x", true),
        ("http://[::1]:1", true), ("http://127.0.0.1.evil.example", false), ("http://127.evil", false),
        ("http://128.0.0.1", false),
    ])
    func knowsWhatOthersCanRead(text: String, isPrivate: Bool) { #expect(WebAddress(text)?.isPrivate == isPrivate) }

    @Test func encodesComponents() { #expect(WebAddress.encoded("refs/pr 1&ü~.") == "refs%2Fpr%201%26%C3%BC~.") }
}

@Suite struct HubTests {
    private let name: RepositoryName

    init() throws { name = try RepositoryName("Qwen/Qwen1.5-0.5B-Chat") }

    @Test func asksHuggingFace() throws {
        let hub = try Hub(.huggingface, endpoint: "https://mirror.example/hf/", token: nil)
        #expect(
            hub.listingAddress(name, revision: "refs/pr/1")?.description
                == "https://mirror.example/hf/api/models/Qwen/Qwen1.5-0.5B-Chat/tree/refs%2Fpr%2F1"
        )
        #expect(
            hub.fileAddress(name, revision: "main", file: "config.json")?.description
                == "https://mirror.example/hf/Qwen/Qwen1.5-0.5B-Chat/resolve/main/config.json"
        )
    }

    @Test func asksModelScope() throws {
        let hub = try Hub(.modelscope, endpoint: Hub.Kind.modelscope.defaultEndpoint, token: nil)
        #expect(
            hub.listingAddress(name, revision: "master")?.description
                == "https://www.modelscope.cn/api/v1/models/Qwen/Qwen1.5-0.5B-Chat/repo/files?Revision=master&Recursive=false"
        )
        #expect(
            hub.fileAddress(name, revision: "v1&x", file: "config.json")?.description
                == "https://www.modelscope.cn/api/v1/models/Qwen/Qwen1.5-0.5B-Chat/repo?Revision=v1%26x&FilePath=config.json"
        )
    }

    @Test func sendsTheTokenToTheHubAlone() throws {
        let hub = try Hub(.huggingface, endpoint: "https://hub.example", token: "secret")
        let addresses = [
            "https://hub.example/x", "https://hub.example:444/x", "https://cdn.hub.example/x", "http://hub.example/x",
        ]
        let headers = try addresses.map { hub.headers(for: try #require(WebAddress($0))) }
        #expect(headers == [["Authorization: Bearer secret"], [], [], []])
    }

    @Test func sendsNoTokenInTheClear() {
        #expect(throws: HubError.self) { try Hub(.huggingface, endpoint: "http://hub.example", token: "secret") }
        #expect(throws: Never.self) { try Hub(.huggingface, endpoint: "http://127.0.0.1:8000", token: "secret") }
        #expect(throws: Never.self) { try Hub(.huggingface, endpoint: "http://hub.example", token: nil) }
    }

    @Test(arguments: ["two words", "new\nline", "quote\"", "back\\slash", "ü", String(repeating: "x", count: 513)])
    func refusesWhatIsNoToken(token: String) {
        #expect(throws: HubError.self) { try Hub(.huggingface, endpoint: "https://hub.example", token: token) }
    }

    @Test(arguments: ["Qwen", "a/b/c", "/b", "a/", "../b", "a/..", "a/.b", "a/b?c", "a/b c", "https://h/a/b", "a/é"])
    func refusesWhatIsNoRepository(text: String) { #expect(throws: HubError.self) { try RepositoryName(text) } }
}

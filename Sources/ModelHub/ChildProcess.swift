import Glibc

/// A child process with its standard input given and its outputs read; started from PATH, without a shell.
final class ChildProcess {
    private static let maxErrorBytes = 4096

    private var identifier: pid_t = 0
    private var output: Int32 = -1
    private var errors: Int32 = -1

    /// hiding: variables that the child does not get. input: at most what a pipe holds, 64 KiB.
    init(_ arguments: [String], hiding hidden: Set<String>, input: [UInt8]) throws(HubError) {
        let pipes = [try Self.pipe(), try Self.pipe(), try Self.pipe()]
        defer { for end in [pipes[0].read, pipes[1].write, pipes[2].write] { close(end) } }
        output = pipes[1].read
        errors = pipes[2].read
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, pipes[0].read, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, pipes[1].write, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, pipes[2].write, STDERR_FILENO)

        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = Self.environment(hiding: hidden).map { strdup($0) } + [nil]
        defer { for word in words + variables { free(word) } }
        let code = posix_spawnp(&identifier, arguments[0], &actions, nil, &words, &variables)
        guard code == 0 else {
            for end in [pipes[0].write, output, errors] { close(end) }
            throw HubError(
                code == ENOENT
                    ? "\(arguments[0]) is not on the PATH; install it (apt-get install \(arguments[0]))"
                    : "cannot start \(arguments[0]): \(String(cString: strerror(code)))"
            )
        }
        var rest = input[...]
        while !rest.isEmpty {  // a child that does not read says why by itself
            let count = rest.withUnsafeBytes { write(pipes[0].write, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        close(pipes[0].write)
    }

    deinit {
        close(output)
        close(errors)
    }

    /// The next bytes of standard output; 0 at its end.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int { Self.read(output, buffer) }

    /// Waits for the end: exit status (128 and more for a signal) and the first line of standard error.
    func finish() -> (code: Int32, message: String) {
        var text = [UInt8](repeating: 0, count: Self.maxErrorBytes)
        var count = 0
        while count < text.count {
            let got = text.withUnsafeMutableBytes {
                Self.read(errors, UnsafeMutableRawBufferPointer(rebasing: $0[count...]))
            }
            guard got > 0 else { break }
            count += got
        }
        let message = String(decoding: text[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return (wait(), message)
    }

    func kill() {
        Glibc.kill(identifier, SIGKILL)
        _ = wait()
    }

    private func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }

    private static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            return max(count, 0)
        }
    }

    private static func pipe() throws(HubError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard Glibc.pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
            throw fileError("cannot make a pipe")
        }
        return (ends[0], ends[1])
    }

    private static func environment(hiding hidden: Set<String>) -> [String] {
        var variables: [String] = []
        var next = environ
        while let variable = next.pointee {
            let text = String(cString: variable)
            if !hidden.contains(String(text.prefix { $0 != "=" })) { variables.append(text) }
            next += 1
        }
        return variables
    }
}

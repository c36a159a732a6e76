import CFastCGI
import Glibc

/// What went wrong with a socket or thread at start; one line that says what to do.
package struct SocketError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

/// A listening unix stream socket: bound by this process, or inherited from systemd.
package struct ListeningSocket: Sendable {
    package let descriptor: Int32
    /// The path this process bound and removes again; nil for an inherited socket.
    package let ownedPath: String?

    /// Connections the kernel keeps for us before `connect` fails at the web server.
    package static let backlog: Int32 = 256

    /// Binds a new socket with mode 0660. A stale socket (nobody accepts on it) is replaced; anything else at the path,
    /// a regular file or another instance's live socket, is an error.
    package static func bind(path: String) throws(SocketError) -> ListeningSocket {
        var address = try unixAddress(path)
        try removeStaleSocket(path, &address)
        let descriptor = cf_unix_socket()
        guard descriptor >= 0 else { throw SocketError("cannot create a socket: \(systemError())") }
        fchmod(descriptor, 0o660)  // the socket file inherits it, less the umask
        guard withSockAddress(&address, { Glibc.bind(descriptor, $0, $1) }) == 0 else {
            defer { close(descriptor) }
            throw SocketError(
                "cannot bind \(path): \(systemError()); does its folder exist and may this user write there?"
            )
        }
        guard chmod(path, 0o660) == 0, listen(descriptor, backlog) == 0 else {
            defer { close(descriptor) }
            throw SocketError("cannot listen on \(path): \(systemError())")
        }
        return ListeningSocket(descriptor: descriptor, ownedPath: path)
    }

    /// Sockets passed by systemd (sd_listen_fds(3)) by their FileDescriptorName; empty without activation.
    /// Forgets the variables, so that no child process takes them for its own.
    package static func inherited() throws(SocketError) -> [String: ListeningSocket] {
        guard let owner = environment("LISTEN_PID"), Int32(owner) == getpid() else { return [:] }
        let count = environment("LISTEN_FDS").flatMap { Int32($0) } ?? 0
        let names = (environment("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false)
        for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(variable) }
        var sockets: [String: ListeningSocket] = [:]
        for index in 0..<max(0, min(count, 16)) {
            let descriptor = 3 + index
            let name = Int(index) < names.count ? String(names[Int(index)]) : "unknown"
            try checkUnixStream(descriptor, name)
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            sockets[name] = ListeningSocket(descriptor: descriptor, ownedPath: nil)
        }
        return sockets
    }

    /// Closes a socket of our own and removes its file; an inherited one stays open for the next process.
    package func closeIfOwned() {
        guard let ownedPath else { return }
        close(descriptor)
        unlink(ownedPath)
    }

    /// Peeking ahead of libfcgi needs unix sockets, and FastCGI must never listen on a network.
    private static func checkUnixStream(_ descriptor: Int32, _ name: String) throws(SocketError) {
        var domain: Int32 = 0
        var kind: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0,
            getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &size) == 0
        else { throw SocketError("inherited descriptor \(descriptor) (\(name)) is not a socket") }
        guard domain == AF_UNIX, kind == Int32(SOCK_STREAM.rawValue) else {
            throw SocketError("inherited socket \(name) is not a unix stream socket; use ListenStream=/path")
        }
    }

    private static func removeStaleSocket(_ path: String, _ address: inout sockaddr_un) throws(SocketError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw SocketError("\(path) exists and is not a socket; choose another path or remove it")
        }
        let probe = cf_unix_socket()
        guard probe >= 0 else { throw SocketError("cannot create a socket: \(systemError())") }
        defer { close(probe) }
        if withSockAddress(&address, { connect(probe, $0, $1) }) == 0 || errno != ECONNREFUSED {
            throw SocketError("\(path) is in use by another process; stop it or choose another path")
        }
        guard unlink(path) == 0 else { throw SocketError("cannot remove the stale socket \(path): \(systemError())") }
    }
}

/// A variable of the environment.
func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

/// The address of a unix socket path; its length is limited by the kernel (107 bytes).
func unixAddress(_ path: String) throws(SocketError) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path), !bytes.contains(0) else {
        throw SocketError("socket path \(path) must have 1 to 107 bytes; choose a shorter one")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return address
}

func withSockAddress(_ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}

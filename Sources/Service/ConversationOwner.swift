import Roles
import Scheduling

/// Who may go on from what a conversation left in the prefix cache: those of the same role and the same owner.
///
/// A hit shows in `cached_tokens` and in the time to the first token, so strangers must not share. By default the owner is
/// the client's address. A client that wants more (people behind one address kept apart, one conversation from several
/// addresses) sends a text of its own, best a random one for each conversation.
enum ConversationOwner: Equatable {
    /// The request's `cache_salt`.
    case salt(String)
    /// The address that the web server names. Others may be behind it: only whole blocks are found, as a guess then has to
    /// be right for 32 tokens at once to be noticed.
    case address(String)
    /// The command line: one person's process.
    case terminal

    /// nil: neither a salt nor an address is known, so nothing is kept.
    ///
    /// - Parameter key: the name of the client's API key; holders of different keys share nothing.
    init?(salt: String?, address: String?, key: String? = nil) {
        let holder = key.map { "\($0)/" } ?? ""
        if let salt {
            self = .salt(holder + salt)
        } else if let address, !address.isEmpty {
            self = .address(holder + address)
        } else {
            return nil
        }
    }

    /// nil if an address is none, being too long.
    func space(of role: Role) -> CacheSpace? {
        switch self {
        case .salt(let salt): CacheSpace(name: "\(role.name) salt \(salt)", wholeBlocksOnly: false)
        case .address(let address): CacheSpace(name: "\(role.name) address \(address)", wholeBlocksOnly: true)
        case .terminal: CacheSpace(name: "\(role.name) terminal", wholeBlocksOnly: false)
        }
    }
}

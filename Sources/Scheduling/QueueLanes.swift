/// What a request waits for: a label, which is short work, or a reply.
enum Lane: CaseIterable, Sendable { case label, chat }

/// Two waiting lines in order of arrival. Labels take what is kept for them at any time; for the rest they go first, but
/// after `labelsPerChat` of them a waiting chat is next.
struct QueueLanes<Element> {
    private var labels: [Element] = []
    private var chats: [Element] = []
    private var labelsSinceChat = 0
    private let labelsPerChat: Int

    /// - Parameter capacity: elements that each line holds at most.
    init(capacity: Int, labelsPerChat: Int = 4) {
        self.labelsPerChat = labelsPerChat
        labels.reserveCapacity(capacity)
        chats.reserveCapacity(capacity)
    }

    var count: Int { labels.count + chats.count }

    func count(in lane: Lane) -> Int {
        switch lane {
        case .label: labels.count
        case .chat: chats.count
        }
    }

    mutating func append(_ element: Element, to lane: Lane) {
        switch lane {
        case .label: labels.append(element)
        case .chat: chats.append(element)
        }
    }

    /// The oldest label if it fits into what is kept for labels.
    mutating func nextLabel(fits: (Element) -> Bool) -> Element? {
        guard let label = labels.first, fits(label) else { return nil }
        return labels.removeFirst()
    }

    /// Takes whose turn it is. nil if that one does not fit yet: none overtakes it, so large requests don't starve.
    mutating func next(fits: (Element) -> Bool) -> Element? {
        let isLabelsTurn = chats.isEmpty || labelsSinceChat < labelsPerChat
        if isLabelsTurn, let label = labels.first {
            guard fits(label) else { return nil }
            labelsSinceChat += chats.isEmpty ? 0 : 1
            return labels.removeFirst()
        }
        guard let chat = chats.first, fits(chat) else { return nil }
        labelsSinceChat = 0
        return chats.removeFirst()
    }

    /// Takes out all that match. What matches may change meanwhile (another thread cancels): each element is either
    /// returned or kept, by one answer.
    mutating func remove(where matches: (Element) -> Bool) -> [Element] {
        Self.take(from: &labels, where: matches) + Self.take(from: &chats, where: matches)
    }

    private static func take(from line: inout [Element], where matches: (Element) -> Bool) -> [Element] {
        guard line.contains(where: matches) else { return [] }
        var taken: [Element] = []
        var kept: [Element] = []
        kept.reserveCapacity(line.capacity)
        for element in line {
            if matches(element) { taken.append(element) } else { kept.append(element) }
        }
        line = kept
        return taken
    }
}

extension QueueLanes: Sendable where Element: Sendable {}

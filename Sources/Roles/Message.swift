/// One message of a conversation as a client sends it; `developer` messages count as `system`.
package struct Message: Sendable, Equatable {
    package enum Author: Sendable, Equatable { case system, user, assistant }

    package var author: Author
    package var content: String

    package init(author: Author, content: String) {
        self.author = author
        self.content = content
    }
}

import ArgumentParser
import Glibc
import Service

struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list and revoke API keys.",
        discussion: """
            The file has their hashes only; a key is shown once, when it is made. The service takes the file with `serve --keys` and \
            reads it again, with the roles, on SIGHUP.

            Example: qwen-all-in-one keys add --file keys.txt --rate 60 --roles chat,sentiment alice
            """,
        subcommands: [Add.self, List.self, Revoke.self]
    )

    struct File: ParsableArguments {
        @Option(help: "The file of keys.") var file: String
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key and print it.",
            discussion: "Example: qwen-all-in-one keys add --file keys.txt --rate 60 --roles chat,sentiment alice"
        )

        @OptionGroup var file: File
        @Option(help: "Requests a minute.") var rate = 60
        @Option(help: "Names of the roles that it opens, separated by commas; all by default.") var roles: String?
        @Argument(help: "Whose key it is; in logs.") var name: String

        func validate() throws {
            guard APIKey.isValidName(name) else { throw ValidationError("A name is 1 to 24 of a-z, 0-9, '_' and '-'.") }
            guard APIKey.rates.contains(rate) else {
                throw ValidationError("--rate must be \(APIKey.rates.lowerBound) to \(APIKey.rates.upperBound).")
            }
            guard roleNames?.allSatisfy(KeyFile.isRoleName) ?? true else {
                throw ValidationError("--roles takes names of roles, separated by commas.")
            }
        }

        private var roleNames: [String]? {
            roles?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }

        func run() throws {
            var keys = access(file.file, F_OK) == 0 ? try KeyFile(path: file.file) : KeyFile()
            let (secret, key) = APIKey.make(name: name, rate: rate, roles: roleNames)
            try keys.add(key)
            try keys.write(to: file.file)
            print(secret)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print each key's name, requests a minute and roles.",
            discussion: "Example: qwen-all-in-one keys list --file keys.txt"
        )

        @OptionGroup var file: File

        func run() throws {
            for key in try KeyFile(path: file.file).keys {
                print("\(key.name)\t\(key.rate)\t\(key.roles?.joined(separator: ",") ?? "*")")
            }
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a key out of the file.",
            discussion: "Example: qwen-all-in-one keys revoke --file keys.txt alice"
        )

        @OptionGroup var file: File
        @Argument(help: "The key's name.") var name: String

        func run() throws {
            var keys = try KeyFile(path: file.file)
            try keys.revoke(name)
            try keys.write(to: file.file)
        }
    }
}

/// Many byte strings without an object each: one block of bytes, owned or inside a mapped file, and where each begins.
///
/// The block has GGUF's encoding: for each string its length as little-endian UInt64, then its bytes. A table that lies
/// in a file keeps the mapping alive. At most 4 GiB.
package struct StringTable: Sendable, Equatable {
    @usableFromInline let storage: StringStorage
    /// Where each string's length begins in the block.
    @usableFromInline let offsets: [UInt32]

    package init(_ strings: [[UInt8]]) {
        let size = strings.reduce(0) { $0 + 8 + $1.count }
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        var offsets: [UInt32] = []
        offsets.reserveCapacity(strings.count)
        var position = 0
        for string in strings {
            offsets.append(UInt32(position))
            block.storeBytes(of: UInt64(string.count).littleEndian, toByteOffset: position, as: UInt64.self)
            position += 8
            UnsafeMutableRawBufferPointer(rebasing: block[position..<position + string.count]).copyBytes(from: string)
            position += string.count
        }
        self.init(storage: StringStorage(owning: block), offsets: offsets)
    }

    /// `offsets` were checked against `storage` by the reader.
    init(storage: StringStorage, offsets: [UInt32]) {
        self.storage = storage
        self.offsets = offsets
    }

    package var count: Int { offsets.count }

    package subscript(index: Int) -> [UInt8] {
        withBytes(index) { [UInt8]($0) }
    }

    /// The string's bytes, valid inside `body`.
    @inlinable
    package func withBytes<Result, Failure: Error>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let start = Int(offsets[index])
        let length = Int(UInt64(littleEndian: storage.bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)))
        return try body(UnsafeRawBufferPointer(rebasing: storage.bytes[start + 8..<start + 8 + length]))
    }

    /// The whole block in GGUF's encoding, valid inside `body`.
    func withEncodedBytes<Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        try body(storage.bytes)
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.offsets == right.offsets && left.storage.bytes.elementsEqual(right.storage.bytes)
    }
}

/// The bytes under a `StringTable`: its own, or a part of a mapped file that it keeps alive.
///
/// `@unchecked Sendable`: the bytes never change.
@usableFromInline
final class StringStorage: @unchecked Sendable {
    @usableFromInline let bytes: UnsafeRawBufferPointer
    private let mapping: MappedFile?

    init(owning block: UnsafeMutableRawBufferPointer) {
        bytes = UnsafeRawBufferPointer(block)
        mapping = nil
    }

    init(in mapping: MappedFile, range: Range<Int>) {
        bytes = UnsafeRawBufferPointer(rebasing: mapping.bytes[range])
        self.mapping = mapping
    }

    deinit {
        if mapping == nil { bytes.deallocate() }
    }
}

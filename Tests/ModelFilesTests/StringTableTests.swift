import ModelFiles
import Testing

@Suite struct StringTableTests {
    @Test func keepsEveryStringByte() {
        let strings: [[UInt8]] = [[], [0], Array("正面".utf8), [0xFF, 0xFE], Array(repeating: 7, count: 300)]
        let table = StringTable(strings)
        #expect(table.count == strings.count)
        for (index, string) in strings.enumerated() {
            #expect(table[index] == string)
            #expect(table.withBytes(index) { Array($0) } == string)
        }
    }

    @Test func equalityIsByContent() {
        #expect(StringTable([[1, 2], [3]]) == StringTable([[1, 2], [3]]))
        #expect(StringTable([[1, 2], [3]]) != StringTable([[1], [2, 3]]))
        #expect(StringTable([[1]]) != StringTable([[1], []]))
        #expect(StringTable([]) == StringTable([]))
    }
}

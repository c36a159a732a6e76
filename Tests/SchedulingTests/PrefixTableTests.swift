import Testing

@testable import Scheduling

@Suite struct PrefixTableTests {
    @Test func countsSharedBlocksOnce() {
        var table = PrefixTable()
        table.insert([1, 2, 3], blocks: [7, 8])
        table.insert([1, 2, 4], blocks: [7, 9])
        #expect(table.blockCount == 3)
        #expect(table.unpin([1, 2, 3]) == [7, 8])
        #expect(table.blockCount == 2)
        #expect(table.unpin([1, 2]) == [])
    }

    @Test func everyPinWantsItsUnpin() {
        var table = PrefixTable()
        #expect(table.pinAgain([1]) == false)
        table.insert([1], blocks: [3, 4])
        #expect(table.pinAgain([1]) == true)
        #expect(table.unpin([1]) == [])
        #expect(table.unpin([1]) == [3, 4])
        #expect(table.unpin([1]) == [])
        #expect(table.blockCount == 0)
    }
}

import Testing

@testable import Scheduling

@Suite struct PrefixTableTests {
    @Test func findsByContentOnly() {
        var table = PrefixTable()
        table.insert([1, 2, 3], blocks: [7])
        #expect(table.blocks(of: [1, 2, 3]) == [7])
        #expect(table.blocks(of: [1, 2]) == nil)
        #expect(table.blocks(of: [1, 2, 4]) == nil)
        #expect(table.blockCount == 1)
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

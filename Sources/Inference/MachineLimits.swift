import CKernels
package import ModelFiles

/// What the processor can do at best, measured: the ceilings that a benchmark's speeds are compared with.
package struct MachineLimits: Sendable {
    /// Bytes a second that all threads together read from memory.
    package let readRate: Double
    /// Operations a second of products with a type's weights, on registers alone; a multiply-add counts as two. 0
    /// where this instruction set has no such measurement.
    package let productRate: Double
    /// The same for F32 weights, which is also attention's.
    package let floatRate: Double

    /// Takes about half a second. The best of several short runs counts: others may use the machine.
    package init(weights type: TensorType, threads: Int) throws(ModelError) {
        let pool = try ThreadPool(threads: threads)
        let buffer = try MemoryRegion(bytes: 512 << 20, purpose: "measuring memory", toucher: pool)
        readRate = Self.best {
            _ = ck_read_all(pool.raw, buffer.base, buffer.count)
            return Double(buffer.count)
        }
        guard let kernels = InstructionSet.best.kernels else {
            (productRate, floatRate) = (0, 0)
            return
        }
        func rate(_ type: TensorType) -> Double {
            Self.best { Double(ck_run_peak(pool.raw, kernels, type.rawValue, 200_000)) }
        }
        productRate = rate(type)
        floatRate = rate(.f32)
    }

    /// Seconds that a forward pass of this cost takes at the least; 0 where a limit is unknown.
    package func seconds(_ cost: ForwardCost) -> Double {
        guard productRate > 0, floatRate > 0 else { return 0 }
        let computing = cost.productOperations / productRate + cost.floatOperations / floatRate
        return max(computing, cost.bytes / readRate)
    }

    /// The highest of some runs' amounts a second.
    private static func best(_ run: () -> Double) -> Double {
        (0..<8).map { _ in
            var amount = 0.0
            return measureSeconds { amount = run() }.map { amount / $0 } ?? 0
        }.max() ?? 0
    }
}

/// Wall time of a piece of work; nil where the clock did not move.
package func measureSeconds(_ work: () throws -> Void) rethrows -> Double? {
    let duration = try ContinuousClock().measure(work)
    let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    return seconds > 0 ? seconds : nil
}

/// What a forward pass must read and compute.
package struct ForwardCost: Sendable {
    /// Of weights, each read once, and of keys and values.
    package var bytes = 0.0
    package var productOperations = 0.0
    /// Of attention.
    package var floatOperations = 0.0
}

extension Model {
    /// The type that the kernels compute with for most of the weights.
    package var productType: TensorType {
        TensorType(name: weightType).flatMap { TensorType(rawValue: ck_packed_type($0.rawValue)) } ?? .f32
    }

    /// - Parameters:
    ///   - contexts: for each row the number of tokens that it attends to, its own included.
    ///   - outputs: rows of which full logits are wanted.
    ///   - cached: tokens whose keys and values must be read.
    ///   - precision: of the KV cache.
    ///   - coarse: the logits are the coarse ones.
    package func cost(
        contexts: [Int],
        outputs: Int,
        cached: Int,
        precision: KVPrecision,
        coarse: Bool = false
    ) -> ForwardCost {
        let c = configuration
        var matrices = weights.layers.flatMap {
            [$0.qProj, $0.kProj, $0.vProj, $0.oProj, $0.gateProj, $0.upProj, $0.downProj]
        }.map { ($0.packed, contexts.count) }
        let head = coarse ? weights.coarseHead?.matrix : nil
        if outputs > 0 { matrices.append((head ?? weights.lmHead.packed, outputs)) }
        var cost = ForwardCost()
        for (matrix, rows) in matrices {
            cost.bytes += Double(ck_packed_bytes(matrix.type, matrix.rows, matrix.columns))
            cost.productOperations += 2 * Double(matrix.rows * matrix.columns * rows)
        }
        let attended = Double(contexts.reduce(0, +) * c.layerCount)
        cost.floatOperations = 4 * attended * Double(c.querySize)
        cost.bytes += Double(c.layerCount * precision.bytes(ofBlock: c) * cached) / Double(CK_BLOCK)
        return cost
    }
}

import CKernels
import Glibc

/// The forward pass of Qwen2 (Qwen2 Technical Report, arXiv 2407.10671) and Qwen3 (arXiv 2505.09388), with Hugging Face's
/// names.
extension ComputeContext {
    /// Runs rows through all layers and keeps the final hidden state of `rows[outputs[i]]` as output `i`.
    ///
    /// - Parameters:
    ///   - rows: at most `maxBatchRows`, any mix of sequences, each one's rows in ascending positions; every position
    ///     has a block, and all earlier positions of the sequence are in the cache or in `rows`.
    ///   - outputs: at most `maxSequences` indices into `rows`.
    package func forward(_ rows: UnsafeBufferPointer<BatchRow>, outputs: UnsafeBufferPointer<Int32>) {
        guard !rows.isEmpty else { return }
        let config = model.configuration
        let (weights, act) = (model.weights, activations)
        var count = rows.count
        var (engine, normed, attention, mlp) = (engine, act.normed, act.attention, act.mlp)
        var places = place(rows)
        var embedTokens = weights.embedTokens.packed

        ck_embed(&engine, &embedTokens, act.tokens, count, act.hidden, act.hiddenStride)
        for (index, layer) in weights.layers.enumerated() {
            ck_norm_rows(
                &engine,
                act.hidden,
                count,
                layer.inputLayernorm,
                config.hiddenSize,
                config.rmsNormEpsilon,
                &normed,
                layer.attentionTakesQuantizedInput
            )
            var qProj = projection(layer.qProj, layer.qBias, act.query, attention.stride)
            var kProj = projection(layer.kProj, layer.kBias, act.key, act.kvStride)
            var vProj = projection(layer.vProj, layer.vBias, act.value, act.kvStride)
            ck_project(&engine, &qProj, &kProj, &vProj, &normed, 0, count)
            var heads = self.heads(of: layer, index)
            ck_rope_and_store(&engine, &heads, &places, count)
            if index + 1 == weights.layers.count, narrow(to: outputs, of: rows) {
                // After the last keys and values only the outputs' rows matter.
                count = outputs.count
                places.group_count = group(outputs.lazy.map { rows[Int($0)] })
            }
            ck_attend(&engine, &heads, &places, &attention, layer.oProj.takesQuantizedInput)
            var oProj = residual(layer.oProj)
            ck_project(&engine, &oProj, nil, nil, &attention, 0, count)

            ck_norm_rows(
                &engine,
                act.hidden,
                count,
                layer.postAttentionLayernorm,
                config.hiddenSize,
                config.rmsNormEpsilon,
                &normed,
                layer.mlpTakesQuantizedInput
            )
            var (gateProj, upProj) = (layer.gateProj.packed, layer.upProj.packed)
            ck_swiglu(&engine, &gateProj, &upProj, &normed, count, &mlp, layer.downProj.takesQuantizedInput)
            var downProj = residual(layer.downProj)
            ck_project(&engine, &downProj, nil, nil, &mlp, 0, count)
        }
        keep(outputs, of: rows.count, narrowed: count < rows.count)
    }

    /// Moves the outputs' rows of residual stream and queries to the front, unless all rows are wanted or they are out
    /// of order.
    private func narrow(to outputs: UnsafeBufferPointer<Int32>, of rows: UnsafeBufferPointer<BatchRow>) -> Bool {
        let act = activations
        guard outputs.count < rows.count, zip(outputs, outputs.dropFirst()).allSatisfy(<),
            outputs.allSatisfy({ $0 >= 0 && Int($0) < rows.count })
        else { return false }
        for (index, output) in outputs.enumerated() where index != Int(output) {
            let row = Int(output)
            (act.hidden + index * act.hiddenStride).update(
                from: act.hidden + row * act.hiddenStride,
                count: act.hiddenStride
            )
            (act.query + index * act.attention.stride)
                .update(from: act.query + row * act.attention.stride, count: act.attention.stride)
            act.positions[index] = act.positions[row]
            act.tables[index] = act.tables[row]
        }
        return true
    }

    /// The same for arrays.
    package func forward(_ rows: some Collection<BatchRow>, outputs: [Int32]) {
        ContiguousArray(rows).withUnsafeBufferPointer { rows in
            outputs.withUnsafeBufferPointer { forward(rows, outputs: $0) }
        }
    }

    /// Norms the chosen rows, which are the first ones if `narrowed`, into `activations.final`.
    private func keep(_ outputs: UnsafeBufferPointer<Int32>, of count: Int, narrowed: Bool) {
        precondition(outputs.count <= maxSequences, "more outputs than sequences")
        let stride = activations.hiddenStride
        var (engine, final) = (engine, activations.final)
        for (output, row) in outputs.enumerated() {
            precondition(row >= 0 && row < count, "output of a row that is not in the batch")
            let place = narrowed ? output : Int(row)
            (final.values + output * stride).update(from: activations.hidden + place * stride, count: stride)
        }
        ck_norm_rows(
            &engine,
            final.values,
            outputs.count,
            model.weights.norm,
            model.configuration.hiddenSize,
            model.configuration.rmsNormEpsilon,
            &final,
            model.weights.lmHead.takesQuantizedInput || model.hasCoarseOutput
        )
    }

    /// Checks the rows and sets down where each stands.
    private func place(_ rows: UnsafeBufferPointer<BatchRow>) -> ck_places {
        precondition(rows.count <= maxBatchRows, "more rows than maxBatchRows")
        let act = activations
        for (index, row) in rows.enumerated() {
            checkToken(row.token)
            precondition(
                cache.holds(sequence: Int(row.sequence), position: Int(row.position)),
                "position without a KV block"
            )
            act.tokens[index] = row.token
            act.positions[index] = row.position
            act.tables[index] = cache.table(of: Int(row.sequence))
        }
        ck_rope_angles(act.positions, rows.count, frequencies, frequencies.count, act.cosines, act.sines)
        return ck_places(
            positions: act.positions,
            tables: act.tables,
            cosines: act.cosines,
            sines: act.sines,
            groups: act.groups,
            group_count: group(rows)
        )
    }

    /// Sets down where runs of up to CK_MAX_QUERIES rows of one sequence start; returns their number.
    private func group(_ rows: some Sequence<BatchRow>) -> Int {
        var (count, start, end) = (0, 0, 0)
        var previous: Int32?
        for row in rows {
            if row.sequence != previous || end - start == CK_MAX_QUERIES {
                activations.groups[count] = Int32(end)
                (count, start, previous) = (count + 1, end, row.sequence)
            }
            end += 1
        }
        activations.groups[count] = Int32(end)
        return count
    }

    private func heads(of layer: LayerWeights, _ index: Int) -> ck_heads {
        let act = activations
        return ck_heads(
            q: act.query,
            k: act.key,
            v: act.value,
            q_stride: act.attention.stride,
            kv_stride: act.kvStride,
            q_norm: layer.qNorm,
            k_norm: layer.kNorm,
            eps: model.configuration.rmsNormEpsilon,
            cache: cache.layer(index),
            cache_type: cache.precision.type,
            heads: model.configuration.headCount,
            kv_heads: model.configuration.kvHeadCount,
            head_dim: model.configuration.headDimension,
            head_stride: cache.headStride
        )
    }

    private func projection(
        _ matrix: PackedMatrix,
        _ bias: PaddedVector?,
        _ out: UnsafeMutablePointer<Float>,
        _ stride: Int
    ) -> ck_projection {
        ck_projection(weights: matrix.packed, bias: bias, out: out, out_stride: stride, accumulate: false)
    }

    /// A product that is added to the residual stream.
    private func residual(_ matrix: PackedMatrix) -> ck_projection {
        ck_projection(
            weights: matrix.packed,
            bias: nil,
            out: activations.hidden,
            out_stride: activations.hiddenStride,
            accumulate: true
        )
    }

    /// 1 / theta^(2i / headDim), rounded to F32 at the same steps as transformers.
    static func inverseFrequencies(_ configuration: ModelConfiguration) -> [Float] {
        (0..<configuration.headDimension / 2).map { index in
            let exponent = Float(2 * index) / Float(configuration.headDimension)
            return 1 / Float(pow(Double(configuration.ropeTheta), Double(exponent)))
        }
    }
}

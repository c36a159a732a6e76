// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// A library target of the package with the project's settings.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// The Swift Testing target of a library.
func tests(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: [.byName(name: name)] + dependencies,
        exclude: exclude,
        swiftSettings: settings
    )
}

let package = Package(
    name: "qwen-all-in-one",
    products: [.executable(name: "qwen-all-in-one", targets: ["qwen-all-in-one"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CFastCGI", pkgConfig: "fcgi", providers: [.apt(["libfcgi-dev"])]),
        .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off"])]),
        library("ModelFiles", ["CKernels"]),
        library("Tokenization", ["ModelFiles"]),
        library("Inference", ["CKernels", "ModelFiles"]),
        library("Metrics"),
        library("Scheduling", ["Inference", "ModelFiles", "Metrics"]),
        library("Roles", ["Tokenization", "ModelFiles", "Inference", .product(name: "Yams", package: "Yams")]),
        library("FastCGI", ["CFastCGI"]),
        library("ModelHub", ["ModelFiles"]),
        library(
            "Service",
            [
                "CKernels", "ModelFiles", "Tokenization", "Inference", "Scheduling", "Roles", "Metrics", "FastCGI",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),
        .executableTarget(
            name: "qwen-all-in-one",
            dependencies: [
                "ModelFiles", "Tokenization", "Inference", "Scheduling", "Roles", "Metrics", "FastCGI", "ModelHub",
                "Service",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        tests("ModelFiles", ["CKernels"]),
        tests("Tokenization", ["ModelFiles"]),
        tests("Inference", ["CKernels", "ModelFiles"], exclude: ["Golden"]),
        tests("Metrics"),
        tests("Scheduling", ["Inference", "ModelFiles", "Metrics"]),
        tests("Roles", ["Tokenization", "ModelFiles", "Inference"]),
        tests("FastCGI", ["CFastCGI"]),
        tests("ModelHub", ["ModelFiles"]),
        tests("Service", ["Inference", "FastCGI", "Roles", "Scheduling", "Metrics"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)

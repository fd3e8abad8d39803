// As much of ONNX Runtime's C API as is used here, for libraries that come without headers.
//
// The table of functions is versioned and append-only: a function keeps its place for good. The
// places are those of version 1 (to 101) and version 5 (130, AddSessionConfigEntry) in
// onnxruntime_c_api.h of microsoft/onnxruntime; `kApiVersion` is what is asked for. What lies
// between two places is not declared, so that nobody calls it by mistake.
#pragma once

#include <cstddef>
#include <cstdint>

namespace paddleport::ort {

constexpr std::uint32_t kApiVersion = 20;  // of ONNX Runtime 1.20, the oldest that paddleport takes

struct Status;
struct Env;
struct Session;
struct SessionOptions;
struct RunOptions;
struct Value;
struct TypeInfo;
struct TensorInfo;
struct MemoryInfo;
struct Allocator;

#ifdef _WIN32
#define PADDLEPORT_ORT_CALL __stdcall
using PathCharacter = wchar_t;
#else
#define PADDLEPORT_ORT_CALL
using PathCharacter = char;
#endif

enum LoggingLevel : int { kFatal = 4 };
enum OptimizationLevel : int { kOptimizeAll = 99 };
enum AllocatorKind : int { kDeviceAllocator = 0 };
enum MemoryKind : int { kDefaultMemory = 0 };
enum ElementType : int {
    kFloat = 1,
    kUint8,
    kInt8,
    kUint16,
    kInt16,
    kInt32,
    kInt64,
    kString,
    kBool,
    kFloat16,
    kDouble,
    kUint32,
    kUint64,
    kComplex64,
    kComplex128,
    kBfloat16
};

template <typename... Arguments>
using Function = Status*(PADDLEPORT_ORT_CALL*)(Arguments...);
template <typename Object>
using Release = void(PADDLEPORT_ORT_CALL*)(Object*);
using Unused = void (*)();

struct Api {
    Unused from_0[2];
    const char*(PADDLEPORT_ORT_CALL* get_error_message)(const Status*);  // 2
    Function<LoggingLevel, const char*, Env**> create_env;               // 3
    Unused from_4[2];
    Function<const Env*> disable_telemetry_events;  // 6
    Function<const Env*, const PathCharacter*, const SessionOptions*, Session**> create_session;
    Unused from_8[1];
    Function<Session*, const RunOptions*, const char* const*, const Value* const*, std::size_t,
             const char* const*, std::size_t, Value**>
        run;                                            // 9
    Function<SessionOptions**> create_session_options;  // 10
    Unused from_11[11];
    Function<SessionOptions*, int> set_session_log_severity_level;                      // 22
    Function<SessionOptions*, OptimizationLevel> set_session_graph_optimization_level;  // 23
    Function<SessionOptions*, int> set_intra_op_num_threads;                            // 24
    Function<SessionOptions*, int> set_inter_op_num_threads;                            // 25
    Unused from_26[4];
    Function<const Session*, std::size_t*> session_get_input_count;   // 30
    Function<const Session*, std::size_t*> session_get_output_count;  // 31
    Unused from_32[1];
    Function<const Session*, std::size_t, TypeInfo**> session_get_input_type_info;   // 33
    Function<const Session*, std::size_t, TypeInfo**> session_get_output_type_info;  // 34
    Unused from_35[1];
    Function<const Session*, std::size_t, Allocator*, char**> session_get_input_name;   // 36
    Function<const Session*, std::size_t, Allocator*, char**> session_get_output_name;  // 37
    Unused from_38[11];
    Function<const MemoryInfo*, void*, std::size_t, const std::int64_t*, std::size_t, ElementType,
             Value**>
        create_tensor_with_data;  // 49
    Unused from_50[1];
    Function<Value*, void**> get_tensor_mutable_data;  // 51
    Unused from_52[3];
    Function<const TypeInfo*, const TensorInfo**> cast_type_info_to_tensor_info;  // 55
    Unused from_56[4];
    Function<const TensorInfo*, ElementType*> get_tensor_element_type;       // 60
    Function<const TensorInfo*, std::size_t*> get_dimensions_count;          // 61
    Function<const TensorInfo*, std::int64_t*, std::size_t> get_dimensions;  // 62
    Unused from_63[2];
    Function<const Value*, TensorInfo**> get_tensor_type_and_shape;  // 65
    Unused from_66[3];
    Function<AllocatorKind, MemoryKind, MemoryInfo**> create_cpu_memory_info;  // 69
    Unused from_70[6];
    Function<Allocator*, void*> allocator_free;  // 76
    Unused from_77[1];
    Function<Allocator**> get_allocator_with_default_options;  // 78
    Unused from_79[13];
    Release<Env> release_env;                 // 92
    Release<Status> release_status;           // 93
    Release<MemoryInfo> release_memory_info;  // 94
    Release<Session> release_session;         // 95
    Release<Value> release_value;             // 96
    Unused from_97[1];
    Release<TypeInfo> release_type_info;              // 98
    Release<TensorInfo> release_tensor_info;          // 99
    Release<SessionOptions> release_session_options;  // 100
    Unused from_101[29];
    Function<SessionOptions*, const char*, const char*> add_session_config_entry;  // 130
};

constexpr std::size_t place(std::size_t offset) {
    return offset / sizeof(Unused);
}
static_assert(place(offsetof(Api, get_error_message)) == 2);
static_assert(place(offsetof(Api, create_session)) == 7);
static_assert(place(offsetof(Api, run)) == 9);
static_assert(place(offsetof(Api, set_session_log_severity_level)) == 22);
static_assert(place(offsetof(Api, session_get_input_count)) == 30);
static_assert(place(offsetof(Api, session_get_output_name)) == 37);
static_assert(place(offsetof(Api, create_tensor_with_data)) == 49);
static_assert(place(offsetof(Api, get_tensor_type_and_shape)) == 65);
static_assert(place(offsetof(Api, get_allocator_with_default_options)) == 78);
static_assert(place(offsetof(Api, release_env)) == 92);
static_assert(place(offsetof(Api, release_session_options)) == 100);
static_assert(place(offsetof(Api, add_session_config_entry)) == 130);

// What OrtGetApiBase(), the library's one symbol, gives.
struct ApiBase {
    const Api*(PADDLEPORT_ORT_CALL* get_api)(std::uint32_t version);
    const char*(PADDLEPORT_ORT_CALL* get_version_string)();
};

}  // namespace paddleport::ort

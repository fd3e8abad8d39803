#include "arguments.hpp"

#include <cctype>
#include <functional>
#include <map>

#include "paddleport/error.hpp"

namespace paddleport {

const char* const kHelp =
    "paddleport-classify PICTURE|FOLDER... [options]\n"
    "\n"
    "Classify pictures, and print the answers of `paddleport run`.\n"
    "\n"
    "  --bundle DIR           the folder with bundle.json; default: the one that was built\n"
    "  --topk K               how many classes to show; default 5\n"
    "  --json                 print a list of JSON objects\n"
    "  --threads N            CPU threads of the engine; default: one per CPU\n"
    "  --decode-threads N     threads that decode pictures; default: one per CPU, at most 16\n"
    "  --repeat N             time each picture's inference N times: median and middle half\n"
    "  --bench N              time N rounds of the engine's bare call and of the classifier's on\n"
    "                         one picture, in turns, and print JSON\n"
    "  --engine-library FILE  of ONNX Runtime\n"
    "  --skip-digests         do not check the model's SHA-256 before it is loaded\n"
    "  --pipe                 answer requests on standard input (docs: The pipe)\n"
    "  --version, --help\n"
    "\n"
    "Exit codes: 0 done, 1 some pictures not read, 2 no answer, 70 a fault of the program's own.\n";

namespace {

constexpr std::size_t kMost = 1'000'000'000;
constexpr std::size_t kMostThreads = 1024;  // an engine would start them all

std::size_t count(const std::string& option, const std::string& text, std::size_t most) {
    std::size_t value = 0;
    bool possible = !text.empty();
    for (const char letter : text) {
        possible = possible && std::isdigit(static_cast<unsigned char>(letter)) && value <= kMost;
        if (possible) value = value * 10 + static_cast<std::size_t>(letter - '0');
    }
    if (!possible || value < 1 || value > most)
        throw UsageError(option + " " + text + " is not possible: 1 to " + std::to_string(most));
    return value;
}

struct Option {
    bool takes_value;
    std::function<void(const std::string&)> set;
};

std::map<std::string, Option> options_of(Arguments& arguments) {
    const auto flag = [](bool& place, bool value) {
        return Option{false, [&place, value](const std::string&) { place = value; }};
    };
    const auto text = [](const char* name, std::string& place) {
        return Option{true, [name, &place](const std::string& value) {
                          if (value.empty()) throw UsageError(std::string(name) + " needs a value");
                          place = value;
                      }};
    };
    const auto size = [](const char* name, std::size_t& place) {
        return Option{true,
                      [name, &place](const std::string& v) { place = count(name, v, kMost); }};
    };
    const auto threads = [](const char* name, int& place) {
        return Option{true, [name, &place](const std::string& value) {
                          place = static_cast<int>(count(name, value, kMostThreads));
                      }};
    };
    return {
        {"--bundle", text("--bundle", arguments.bundle)},
        {"--engine-library", text("--engine-library", arguments.engine_library)},
        {"--topk", size("--topk", arguments.topk)},
        {"--repeat", size("--repeat", arguments.repeat)},
        {"--bench", size("--bench", arguments.bench)},
        {"--threads", threads("--threads", arguments.threads)},
        {"--decode-threads", threads("--decode-threads", arguments.decode_threads)},
        {"--json", flag(arguments.json, true)},
        {"--pipe", flag(arguments.pipe, true)},
        {"--skip-digests", flag(arguments.check_digests, false)},
        {"--help", flag(arguments.help, true)},
        {"-h", flag(arguments.help, true)},
        {"--version", flag(arguments.version, true)},
    };
}

}  // namespace

Arguments read_arguments(const std::vector<std::string>& words) {
    Arguments arguments;
    const std::map<std::string, Option> options = options_of(arguments);
    bool only_names = false;
    for (std::size_t place = 0; place < words.size(); ++place) {
        const std::string& word = words[place];
        if (only_names || word.size() < 2 || word[0] != '-') {
            arguments.names.push_back(word);
            continue;
        }
        if (word == "--") {
            only_names = true;
            continue;
        }
        const std::size_t equals = word.find('=');
        const std::string name = word.substr(0, equals);
        const auto option = options.find(name);
        if (option == options.end()) throw UsageError("unknown option '" + name + "': try --help");
        if (!option->second.takes_value) {
            if (equals != std::string::npos) throw UsageError(name + " takes no value");
            option->second.set("");
        } else if (equals != std::string::npos) {
            option->second.set(word.substr(equals + 1));
        } else if (++place < words.size()) {
            option->second.set(words[place]);
        } else {
            throw UsageError(name + " needs a value");
        }
    }
    return arguments;
}

}  // namespace paddleport

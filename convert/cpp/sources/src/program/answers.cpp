#include "answers.hpp"

#include <cstdio>

#include "console.hpp"

namespace paddleport {
namespace {

std::string as_json(const Answer& answer) {
    std::string line = "{\"picture\": " + json_text(answer.picture) + ", \"predictions\": [";
    const char* separator = "";
    for (const Prediction& item : answer.predictions) {
        line += separator;
        line += "{\"index\": " + std::to_string(item.index) +
                ", \"label\": " + (item.label ? json_text(*item.label) : "null") +
                ", \"score\": " + json_number(item.score) + "}";
        separator = ", ";
    }
    line += "], \"error\": " + json_text(answer.error);
    if (answer.latency) line += ", \"latency_ms\": " + as_json(*answer.latency);
    return line + "}";
}

void print_lines(const Answer& answer) {
    const bool styled = is_styled();
    const char* bold = styled ? "\033[1m" : "";
    const char* dim = styled ? "\033[2m" : "";
    const char* plain = styled ? "\033[0m" : "";
    std::printf("%s%s%s\n", bold, printable(answer.picture).c_str(), plain);
    for (const Prediction& item : answer.predictions)
        std::printf("%9.5f  %s%5zu%s  %s\n", item.score, dim, item.index, plain,
                    printable(item.label.value_or("")).c_str());
    if (answer.latency) print_note(printable(answer.picture) + ": " + in_words(*answer.latency));
}

}  // namespace

AnswerPrinter::AnswerPrinter(std::string where, bool json) : json_(json) {
    if (json_) return;
    where = printable(where);
    if (is_styled()) where = "\033[2m" + where + "\033[0m";
    std::printf("%s\n", where.c_str());
}

void AnswerPrinter::print(const Answer& answer) {
    const bool is_first = read_ + failed_ == 0;
    if (answer.error.empty()) {
        ++read_;
    } else {
        ++failed_;
        print_error(answer.error);
    }
    if (json_)
        std::printf("%s%s", is_first ? "[" : ",\n ", as_json(answer).c_str());
    else if (answer.error.empty())
        print_lines(answer);
}

int AnswerPrinter::finish() {
    if (json_) std::printf("%s\n", read_ + failed_ > 0 ? "]" : "[]");
    flush_output();
    if (failed_ == 0) return 0;
    return read_ > 0 ? 1 : 2;
}

}  // namespace paddleport

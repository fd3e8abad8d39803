// One stage of a pipeline: work done by threads, a bounded amount ahead, given in order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "paddleport/error.hpp"

namespace paddleport {

// Takes items of `source` one after another, has threads work on them, and gives the results in the
// order of the items. At most `ahead` items are taken and not yet given, so memory is constant.
template <typename In, typename Out>
class OrderedStage {
  public:
    using Source =
        std::function<std::optional<In>()>;  // none at its end; never called twice at once
    using Work = std::function<Out(In)>;     // called from all threads

    OrderedStage(Source source, Work work, std::size_t threads, std::size_t ahead)
        : source_(std::move(source)), work_(std::move(work)), places_(ahead) {
        try {
            for (std::size_t index = 0; index < threads; ++index)
                threads_.emplace_back([this] { run(); });
        } catch (const std::system_error&) {
            end();
            throw Error("this machine does not start " + std::to_string(threads) +
                        " threads more: try --decode-threads 1");
        }
    }
    OrderedStage(const OrderedStage&) = delete;
    OrderedStage& operator=(const OrderedStage&) = delete;
    ~OrderedStage() { end(); }

    // The next result, or none at the end. Throws what `source` or `work` threw, in its place.
    std::optional<Out> next() {
        std::unique_lock<std::mutex> lock(mutex_);
        Place& place = places_[given_ % places_.size()];
        ready_.wait(lock, [this, &place] { return place.filled || (ended_ && given_ == taken_); });
        if (!place.filled) return std::nullopt;
        place.filled = false;
        const std::exception_ptr failure = std::exchange(place.failure, nullptr);
        std::optional<Out> result = std::exchange(place.result, std::nullopt);
        ++given_;
        lock.unlock();
        room_.notify_one();
        if (failure) std::rethrow_exception(failure);
        return result;
    }

  private:
    struct Place {
        bool filled = false;
        std::optional<Out> result;
        std::exception_ptr failure;
    };

    void end() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopped_ = true;
        }
        room_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    void run() {
        while (true) {
            std::optional<In> item;
            std::size_t number = 0;
            std::exception_ptr failure;
            {
                const std::lock_guard<std::mutex> one_at_a_time(source_mutex_);
                if (!wait_for_room()) return;
                try {
                    item = source_();
                } catch (...) {
                    failure = std::current_exception();
                }
                const std::lock_guard<std::mutex> lock(mutex_);
                if (!item) ended_ = true;
                if (item || failure) number = taken_++;
            }
            if (!item && !failure) {
                ready_.notify_all();
                return;
            }
            std::optional<Out> result;
            try {
                if (item) result = work_(std::move(*item));
            } catch (...) {
                failure = std::current_exception();
            }
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                Place& place = places_[number % places_.size()];
                place.result = std::move(result);
                place.failure = failure;
                place.filled = true;
            }
            ready_.notify_all();
        }
    }

    // False where there is nothing more to do.
    bool wait_for_room() {
        std::unique_lock<std::mutex> lock(mutex_);
        room_.wait(lock, [this] { return stopped_ || ended_ || taken_ - given_ < places_.size(); });
        return !stopped_ && !ended_;
    }

    Source source_;
    Work work_;
    std::vector<Place> places_;
    std::mutex source_mutex_;
    std::mutex mutex_;  // of all below
    std::condition_variable room_, ready_;
    std::size_t taken_ = 0, given_ = 0;
    bool ended_ = false, stopped_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace paddleport

// Pictures to classes, with the answers of `paddleport run`.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <opencv2/core.hpp>
#include <optional>
#include <string>
#include <vector>

#include "paddleport/bundle.hpp"
#include "paddleport/engine.hpp"
#include "paddleport/error.hpp"
#include "paddleport/tensor.hpp"

namespace paddleport {

// One class of a picture.
struct Prediction {
    std::size_t index;                 // in the model's output
    std::optional<std::string> label;  // if the model has names
    double score;                      // the model's output as it is, rounded to 5 decimals
};

struct ClassifierOptions {
    EngineOptions engine;
    // Whether the model's file is hashed before it is loaded (5 to 6 ms a MB).
    bool check_digests = true;
};

// The highest `k` scores, the highest first, of equal ones the lower index; no softmax is applied.
// `scores` is [1, classes]. Throws OutputError: it is not, or holds NaN or infinity; ModelError:
// there are not as many labels.
std::vector<Prediction> top_k(const Tensor& scores, std::size_t k,
                              const std::optional<std::vector<std::string>>& labels);

// A bundle's model, loaded. May be called from several threads.
class Classifier {
  public:
    // Throws ModelError, EngineError: see read_bundle, check_digests and load_engine.
    explicit Classifier(const std::filesystem::path& folder, const ClassifierOptions& options = {});

    // A decoded picture, 8-bit BGR. Throws PictureError, FeedError, OutputError.
    std::vector<Prediction> classify(const cv::Mat& bgr, std::size_t k = 5);

    // A picture's file. Throws as above.
    std::vector<Prediction> classify(const std::filesystem::path& picture, std::size_t k = 5);

    // A prepared tensor. Throws FeedError, OutputError.
    std::vector<Prediction> classify(const Tensor& tensor, std::size_t k = 5);

    // The input tensor of a picture. Throws PictureError.
    Tensor prepare(const cv::Mat& bgr, const std::string& name = "the picture") const;
    Tensor prepare(const std::filesystem::path& picture) const;

    // All outputs for a feed in the order of the inputs. Throws FeedError.
    std::vector<Tensor> run(const Feed& feed);

    // The classes in outputs that `run` gave. Throws OutputError.
    std::vector<Prediction> answer(const std::vector<Tensor>& outputs, std::size_t k = 5) const;

    const Bundle& bundle() const { return bundle_; }
    Engine& engine() { return *engine_; }

  private:
    Bundle bundle_;
    std::unique_ptr<Engine> engine_;
};

// Throws UsageError: the bundle does not say how pictures are fed, or is no image classifier.
void check_takes_pictures(const Bundle& bundle);

// The input tensor of a picture by the bundle alone, for which no model need be loaded.
// Throws PictureError, and as check_takes_pictures.
Tensor prepare_for(const Bundle& bundle, const cv::Mat& bgr, const std::string& name);
Tensor prepare_file_for(const Bundle& bundle, const std::string& path);

}  // namespace paddleport

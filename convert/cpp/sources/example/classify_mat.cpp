// The classes of a picture that is in memory already, as a cv::Mat in BGR.
#include <iostream>
#include <opencv2/core.hpp>
#include <paddleport/classifier.hpp>

int main() {
    paddleport::Classifier classifier(BUNDLE);
    const cv::Mat picture(480, 640, CV_8UC3, cv::Scalar(32, 64, 224));  // of your camera
    for (const paddleport::Prediction& item : classifier.classify(picture))
        std::cout << item.score << "  " << item.label.value_or("") << "\n";
}

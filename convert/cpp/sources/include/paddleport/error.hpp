// Everything that can go wrong for a user, as one tree. A message is one line.
#pragma once

#include <stdexcept>
#include <string>

namespace paddleport {

// The question got no answer; `paddleport-classify` ends with 2.
class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// An option or a call that cannot be.
class UsageError : public Error {
  public:
    using Error::Error;
};

// The bundle's files are there and are not what they should be.
class ModelError : public Error {
  public:
    using Error::Error;
};

// The engine, or what was asked of it, is not to be had on this machine.
class EngineError : public Error {
  public:
    using Error::Error;
};

// Tensors that the model does not take.
class FeedError : public Error {
  public:
    using Error::Error;
};

// A picture that cannot be read; others can.
class PictureError : public Error {
  public:
    using Error::Error;
};

// What the model gives is no answer.
class OutputError : public Error {
  public:
    using Error::Error;
};

}  // namespace paddleport

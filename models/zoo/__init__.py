"""The models known by name.

``registry`` finds the cards of ``cards/`` and of plug-ins, ``model_card`` reads them;
``architecture`` says what a card's module offers, and ``mobilenet_v2`` is such a module, made of
``conv_norm`` (a layer) and ``seeding`` (weights from a name).
"""

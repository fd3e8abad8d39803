"""The models known by name.

``registry`` finds the cards of ``cards/`` and of plug-ins, ``model_card`` reads them by
``card_table``; ``architecture`` says what a card's module offers, ``mobilenet_v2`` is one, made of
``conv_norm`` (a layer) and ``seeding`` (weights from a name).
"""

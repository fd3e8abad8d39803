"""The models known by name.

``registry`` finds the cards of ``cards/`` and of plug-ins, ``card_reader`` reads them by
``card_table`` as ``model_card`` has them; ``card_filter`` selects some, ``similar_names`` answers
names that nobody has, ``published_figures`` brings figures to one unit. ``architecture`` says what
a card's module offers: ``mobilenet_v2`` is one, made of ``conv_norm`` (a layer) and ``seeding``
(weights from a name); ``paddleclas`` is another, whose networks ``seeded_weights`` seeds;
``network_state`` sets a checkpoint's state in any.
"""

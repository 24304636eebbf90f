"""Questions that people ask of a pair or of one image, answered in arrays and numbers; one file a question.

What is here needs the whole core below (association, losses, inference) and is what pages, figures and exports show.
"""
